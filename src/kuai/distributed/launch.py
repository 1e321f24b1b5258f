"""`python -m torch.distributed.launch`, which came before `torch.distributed.run`."""

from __future__ import annotations

import argparse

from kuai.distributed.run import get_args_parser, run

__all__ = ["launch", "main", "parse_args"]


def parse_args(args: list[str] | None) -> argparse.Namespace:
    """The arguments as they were given."""
    parser = get_args_parser()
    parser.add_argument("--use-env", "--use_env", action="store_true")
    return parser.parse_args(args)


def launch(args: argparse.Namespace) -> None:
    """Start the program, with `--local-rank=0` unless it shall look at the environment."""
    if not args.use_env:
        args.training_script_args = ["--local-rank=0", *args.training_script_args]
    raise SystemExit(run(args))


def main(args: list[str] | None = None) -> None:
    """Start the program that the command line names."""
    launch(parse_args(args))


if __name__ == "__main__":
    main()
