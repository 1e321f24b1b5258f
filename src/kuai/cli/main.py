"""The command `kuai`: reading the command line, and one clear line when something is wrong."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

import kuai
from kuai.cli import converting, inspecting, train
from kuai.errors import KuaiError

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help()
        return 0
    try:
        return options.run(options)
    except (KuaiError, OSError, MemoryError) as error:
        print(f"kuai: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kuai: stopped", file=sys.stderr)
        return 130


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kuai", description="PyTorch's programming model, standing on its own on JAX and XLA."
    )
    parser.add_argument("--version", action="version", version=f"kuai {kuai.__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="")
    train.add_command(commands)
    inspecting.add_command(commands)
    converting.add_command(commands)
    return parser


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
