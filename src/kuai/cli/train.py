"""`kuai train lenet`: train LeNet on handwritten digits."""

from __future__ import annotations

import argparse
import math
import pathlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from kuai.cli.streams import complain
from kuai.engine.tensor import devices
from kuai.errors import CheckpointWarning
from kuai.train.run import CHECKPOINTS, Settings, saved_settings, train_lenet

__all__ = ["add_command"]

_FLAGS = {
    "data": "--data",
    "epochs": "--epochs",
    "batch_size": "--batch-size",
    "lr": "--lr",
    "seed": "--seed",
    "device": "--device",
    "compiled": "--no-compile",
}


def add_command(commands: Any) -> None:
    """Add `train` to the commands of `kuai`."""
    parser = commands.add_parser(
        "train",
        help="train a model",
        description="Train a model on a data set, and leave the run in a folder.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "Ctrl-C saves the run; --resume goes on with it as if it had not been stopped.\n"
            "A folder that has a run is left alone without --resume or --overwrite.\n"
            "The folder holds metrics.jsonl, curves.png, model.safetensors and "
            f"{CHECKPOINTS}/."
        ),
    )
    standard = Settings()
    add = parser.add_argument
    add("model", choices=["lenet"], help="the model")
    add("--data", help=f"digits, or a file like scikit-learn's (default: {standard.data})")
    add("--epochs", type=_positive, help=f"passes over the data (default: {standard.epochs})")
    add("--batch-size", type=_positive, help=f"samples a step (default: {standard.batch_size})")
    add("--lr", type=_rate, help=f"first learning rate (default: {standard.lr})")
    add("--device", type=_device, help=f"cpu, cuda, tpu, … (default: {standard.device})")
    add("--seed", type=_seed, help=f"same seed, same result (default: {standard.seed})")
    add("--out", type=_folder, help="the run's folder (default: runs/lenet)")
    add(
        "--no-compile",
        dest="compiled",
        action="store_const",
        const=False,
        help="run operation by operation",
    )
    add_way = parser.add_mutually_exclusive_group().add_argument
    add_way(
        "--resume",
        nargs="?",
        type=_folder,
        const=True,
        metavar="FOLDER",
        help="go on with the run in FOLDER (default: in --out)",
    )
    add_way("--overwrite", action="store_true", help="take the place of the run in the folder")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    with _warnings_on_lines():
        return _train(options)


@contextmanager
def _warnings_on_lines() -> Iterator[None]:
    """Say in one line, once, that a checkpoint is broken."""
    said = set()

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if not issubclass(category, CheckpointWarning):
            show_others(message, category, *where)
        elif str(message) not in said:
            said.add(str(message))
            complain(" ".join(str(message).split()))

    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        show_others, warnings.showwarning = warnings.showwarning, show
        yield


def _train(options: argparse.Namespace) -> int:
    folder = options.out or pathlib.Path("runs/lenet")
    given = {k: v for k in _FLAGS if (v := getattr(options, k)) is not None}
    if options.resume is None:
        settings = replace(Settings(), **given)
    else:
        folder = folder if options.resume is True else options.resume
        folder = folder.parent if folder.name == CHECKPOINTS else folder
        settings = saved_settings(folder)
        if problem := _difference(settings, given):
            complain(problem)
            return 2
    resume = options.resume is not None
    history = train_lenet(settings, folder, resume, options.overwrite)
    if history is None:
        print(f"Stopped; saved in {folder}. Go on with: kuai train lenet --resume {folder}")
        return 130
    print(f"test accuracy {history[-1]['test_accuracy']:.4f}; the run is in {folder}")
    return 0


def _difference(saved: Settings, given: dict[str, Any]) -> str | None:
    for name, value in given.items():
        if asdict(saved)[name] != value:
            return (
                f"{_FLAGS[name]} cannot change in a run that goes on: "
                f"it was started with {asdict(saved)[name]}"
            )
    return None


def _folder(text: str) -> pathlib.Path:
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a folder, not ''")
    return pathlib.Path(text)


def _positive(text: str) -> int:
    number = _whole(text)
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be at least 1, and below 2**63, not {text}")
    return number


def _seed(text: str) -> int:
    number = _whole(text)
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be between 0 and 2**63 - 1, not {text}")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"must be greater than 0, not {text}")
    return number


def _device(text: str) -> str:
    try:
        devices.jax_device(text)
    except (AssertionError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(" ".join(str(error).split())) from None
    return text
