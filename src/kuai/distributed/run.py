"""`python -m torch.distributed.run` (torchrun) where `torch` is Kuai: one process, of rank 0 of 1.

    kuai run -m torch.distributed.run --nproc-per-node 1 train.py …

The program is started with `kuai run` and the environment that PyTorch's launcher gives it. Several
processes are refused: one process of Kuai's uses all devices (see `kuai.nn.parallel`).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import uuid
from typing import Any

__all__ = ["get_args_parser", "main", "parse_args", "run"]

_COUNTED = ("gpu", "auto", "cpu", "xpu")  # processes by what there is: here one has all of it
#: What says how processes find each other, are watched and write: there is one, in a terminal.
_ACCEPTED = (
    "rdzv-backend rdzv-endpoint rdzv-id rdzv-conf max-restarts monitor-interval start-method "
    "event-log-handler role log-dir local-ranks-filter duplicate-stdout-filters "
    "duplicate-stderr-filters node-rank master-addr master-port local-addr logs-specs numa-binding "
    "signals-to-handle shutdown-timeout"
).split()
_SWITCHES = ("standalone", "run-path", "virtual-local-rank")


def get_args_parser() -> argparse.ArgumentParser:
    """The arguments of PyTorch's launcher."""
    parser = argparse.ArgumentParser(description="Start a program as rank 0 of 1.")
    add = parser.add_argument
    for name in ("nnodes", "nproc-per-node", *_ACCEPTED):
        add(*_spelt(name))
    for name in _SWITCHES:
        add(*_spelt(name), action="store_true")
    add("-r", "--redirects")
    add("-t", "--tee")
    add("-m", "--module", action="store_true", help="the program is a module")
    add("--no-python", "--no_python", action="store_true", help="the program is run as it is")
    add("training_script", help="the program")
    add("training_script_args", nargs=argparse.REMAINDER, help="what it is given")
    return parser


def _spelt(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"--{name}", f"--{name.replace('-', '_')}")))


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The arguments as they were given."""
    return get_args_parser().parse_args(args)


def run(args: argparse.Namespace) -> int:
    """Start the program and wait for it; its exit status."""
    _check_one(args.nnodes, "--nnodes")
    if args.nproc_per_node not in (None, *_COUNTED):
        _check_one(args.nproc_per_node, "--nproc-per-node")
    command = [args.training_script, *args.training_script_args]
    if not args.no_python:
        ways = ["--fused"] * (os.environ.get("KUAI_FUSED") == "1") + ["-m"] * args.module
        command = [sys.executable, "-u", "-m", "kuai", "run", *ways, *command]
    process = subprocess.Popen(command, env={**os.environ, **_environment(args)})
    before = signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    try:
        status = process.wait()
    except KeyboardInterrupt:  # which the program gets from the terminal, too
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return status if status >= 0 else 128 - status


def _check_one(given: Any, option: str) -> None:
    if any(part != "1" for part in str(given or "1").split(":")):
        raise SystemExit(
            f"{option} {given}: Kuai runs a program in one process, which uses all devices (see "
            f"kuai.nn.parallel.data_parallel). Leave {option} out, or say 1"
        )


def _environment(args: argparse.Namespace) -> dict[str, str]:
    """What PyTorch's launcher says to its processes."""
    zero = "RANK LOCAL_RANK GROUP_RANK ROLE_RANK TORCHELASTIC_RESTART_COUNT".split()
    one = "WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE ROLE_WORLD_SIZE".split()
    return {
        **dict.fromkeys(zero, "0"),
        **dict.fromkeys(one, "1"),
        "ROLE_NAME": args.role or "default",
        "MASTER_ADDR": args.master_addr or "127.0.0.1",
        "MASTER_PORT": args.master_port or str(_free_port()),
        "TORCHELASTIC_MAX_RESTARTS": args.max_restarts or "0",
        "TORCHELASTIC_RUN_ID": args.rdzv_id or (str(uuid.uuid4()) if args.standalone else "none"),
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main(args: list[str] | None = None) -> None:
    """Start the program that the command line names."""
    raise SystemExit(run(parse_args(args)))


if __name__ == "__main__":
    main()
