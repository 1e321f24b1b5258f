"""What the command `kuai` runs first, while nothing slow or large is loaded yet.

Loading Kuai takes a second or two. A Ctrl-C in that time ends the process as it ends any program
that does not know of it: there is nothing to save yet, and an exception would come up in the middle
of somebody's import, where it prints a page of text or is lost. Standard streams that are closed
are opened onto nothing, so that no file which is written to gets the number of one of them.
"""

import os
import signal
import sys

__all__ = ["main"]

_STANDARD = (0, 1, 2)
_USUAL = signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _open_standard_streams() -> None:
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


_open_standard_streams()
if _USUAL:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from kuai.cli import main as _cli  # noqa: E402 - this is what takes so long


def main() -> int:
    """Run the command line and return the exit status."""
    if _USUAL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return _cli.main()


if __name__ == "__main__":
    sys.exit(main())
