"""`kuai convert A B`: a file of tensors in another format."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from kuai.cli.inspecting import size_text
from kuai.cli.streams import complain
from kuai.engine.tensor.dtypes import DTYPES
from kuai.errors import printable
from kuai.saving.converting import convert, existing_target
from kuai.saving.listing import list_file
from kuai.saving.shards import bytes_of

__all__ = ["add_command"]

_FLOATS = {kind.name: kind for kind in DTYPES if kind.is_floating_point}


def add_command(commands: Any) -> None:
    """Add `convert` to the commands of `kuai`."""
    parser = commands.add_parser(
        "convert",
        help="convert a file of tensors into another format",
        description="Convert between PyTorch files (.pt, .pth, …), safetensors files and "
        "safetensors checkpoints of several files with an index. The name of the target says its "
        "format; a folder gets model.safetensors. Tied tensors stay tied; nothing is run.",
    )
    add = parser.add_argument
    add("source", help="a file, the index of several, or a folder")
    add("target", help="a name with .safetensors, .safetensors.index.json, .pt, .pth, or a folder")
    add("--max-shard-size", type=_size, metavar="SIZE", help="split, into files of at most 5GB, …")
    add("--dtype", choices=_FLOATS, metavar="DTYPE", help="for floats: bfloat16, float16, …")
    add("--tensors-only", action="store_true", help="leave out what is no tensor")
    add("--force", action="store_true", help="replace what stands at the target")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    there = existing_target(options.target, options.max_shard_size)
    if there is not None and not options.force:
        complain(f"{there} is there already; --force replaces it")
        return 1
    with _bar() as report:
        made = convert(
            options.source,
            options.target,
            max_shard_size=options.max_shard_size,
            dtype=_FLOATS.get(options.dtype),
            tensors_only=options.tensors_only,
            progress=report,
        )
    for note in made.notes:
        complain(note)
    found = list_file(made.path)
    files = f" in {len(found.files)} files" if len(found.files) > 1 else ""
    size = size_text(found.file_bytes)
    print(f"{printable(found.path)}: {len(found.tensors)} tensors, {size}{files}")
    return 0


@contextmanager
def _bar() -> Iterator[Any]:
    """A bar on the terminal; nothing where there is none."""
    console = Console(stderr=True)
    columns = (TextColumn("converting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, all_: bar.update(task, completed=done, total=all_)


def _size(text: str) -> int:
    try:
        return bytes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
