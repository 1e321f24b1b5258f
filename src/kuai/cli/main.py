"""The command `kuai`: reading the command line, and one clear line when something is wrong."""

from __future__ import annotations

import argparse
from typing import NoReturn

import kuai
from kuai.cli import converting, inspecting, running, train
from kuai.cli.streams import READER_GONE, complain, printing
from kuai.errors import KuaiError, printable

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message)} (see {self.prog} --help)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        with printing():
            parser = _make_parser()
            options = parser.parse_args(arguments)
            if options.run is not running.run:
                return _run(parser, options)
    except BrokenPipeError:
        return READER_GONE
    except (KuaiError, OSError, MemoryError) as error:
        complain(_one_line(error))
        return 1
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    return running.run(options)  # somebody else's program: what it raises is its own


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.run is None:
        parser.print_help()
        return 0
    return options.run(options)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kuai", description="PyTorch's programming model, standing on its own on JAX and XLA."
    )
    parser.add_argument("--version", action="version", version=f"kuai {kuai.__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="")
    running.add_command(commands)
    train.add_command(commands)
    inspecting.add_command(commands)
    converting.add_command(commands)
    return parser


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = error.filename if error.filename != "" else "''"
        return error.strerror if name is None else f"{name}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
