"""`kuai inspect FILE`: what a file holds, without loading it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kuai.errors import printable
from kuai.saving.listing import Line, Listing, list_file
from kuai.saving.verifying import Verified, verify

__all__ = ["add_command", "size_text"]

_HEADINGS = ("name", "dtype", "shape", "size", "")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def add_command(commands: Any) -> None:
    """Add `inspect` to the commands of `kuai`."""
    parser = commands.add_parser(
        "inspect",
        help="list the tensors of a file",
        description="List names, dtypes, shapes and sizes of the tensors in a PyTorch file "
        "(.pt, .pth, …), a safetensors file, the index of several, or a folder of these. Nothing "
        "is loaded and nothing in the file is run.",
    )
    parser.add_argument("file", help="a file or a folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--verify", action="store_true", help="read all tensors and compare their checksums"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    listing = list_file(options.file)
    verified = verify(options.file) if options.verify else None
    if options.json:
        more = {"verified": verified._asdict()} if verified else {}
        print(json.dumps({**asdict(listing), **more}, indent=2))
        return 0
    if sys.stdout.isatty():
        _print_table(listing)
    else:
        print("\n".join(_plain(listing)))
    if verified:
        print(_verdict(verified))
    return 0


def _verdict(verified: Verified) -> str:
    if not verified.unknown:
        return f"verified: all {verified.intact} tensors have their checksums"
    if not verified.intact:
        return "verified: the file is whole, but has no checksums of its tensors"
    return f"verified: {verified.intact} tensors have their checksums, {verified.unknown} have none"


def _print_table(listing: Listing) -> None:
    console = Console()
    table = Table(box=box.SIMPLE, header_style="bold", padding=(0, 1))
    for heading in _HEADINGS:
        justify = "right" if heading == "size" else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for line in listing.tensors:
        table.add_row(*(Text(cell) for cell in _cells(line)))
    console.print(Text(_title(listing), style="bold"))
    console.print(table)
    for text in _notes(listing):
        console.print(Text(text), soft_wrap=True)


def _plain(listing: Listing) -> Iterator[str]:
    """Lines for a pipe: columns, aligned with spaces."""
    yield _title(listing)
    rows = [_HEADINGS, *(_cells(line) for line in listing.tensors)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if listing.tensors else []:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from _notes(listing)


def _title(listing: Listing) -> str:
    files = f" in {len(listing.files)} files" if len(listing.files) > 1 else ""
    return (
        f"{printable(listing.path)}: {listing.kind}{files}, {size_text(listing.file_bytes)} on disk"
    )


def _cells(line: Line) -> tuple[str, ...]:
    shape = ", ".join(map(str, line.shape))
    return (
        printable(line.name),
        printable(line.dtype),
        f"[{shape}]",
        size_text(line.nbytes),
        _remark(line),
    )


def _remark(line: Line) -> str:
    remarks = [line.role] if line.role != "tensor" else []
    remarks += [f"same as {printable(line.same_as)}"] if line.same_as else []
    remarks += [f"shares memory with {printable(line.shares_with)}"] if line.shares_with else []
    remarks += [printable(line.file)] if line.file else []
    return ", ".join(remarks)


def _notes(listing: Listing) -> Iterator[str]:
    kinds = Counter(line.dtype for line in listing.tensors if not line.same_as)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    tied = sum(line.same_as is not None for line in listing.tensors)
    yield (
        f"{len(listing.tensors)} tensors"
        + (f" ({counts}{f'; {tied} tied' if tied else ''})" if listing.tensors else "")
        + f", {listing.elements:,} elements, {size_text(listing.nbytes)}"
    )
    for name, kind in listing.others.items():
        yield f"{printable(name)}: {kind}"
    for name, text in listing.metadata.items():
        yield f"metadata {printable(name)}: {printable(text)}"


def size_text(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> size_text(999), size_text(1536), size_text(5 * 10**9)
        ('999 B', '1.5 kB', '5.0 GB')
    """
    if size < 1000:
        return f"{size} B"
    power = min(len(str(size)) - 1, 12) // 3
    return f"{size / 1000**power:.1f} {_UNITS[power]}"
