"""Runs this folder's tests without pytest, which a machine with a GPU may lack.

    python -m tests.gpu.running [--seconds 150] [--only test_places]

Prints a line for each; the exit status is how many failed.
"""

import argparse
import importlib
import pathlib
import sys
import time
import traceback

FOLDER = pathlib.Path(__file__).parent


def tests(pattern):
    """The test functions of the folder's files, with their names."""
    for path in sorted(FOLDER.glob(f"{pattern}.py")):
        module = importlib.import_module(f"tests.gpu.{path.stem}")
        for name, function in list(vars(module).items()):
            if name.startswith("test_"):
                yield f"{path.stem}.{name}", function


def run(function) -> str | None:
    """Run a test: what went wrong, or None."""
    import kuai

    kuai.manual_seed(0)
    try:
        function()
    except Exception:  # noqa: BLE001 - whatever it is, the other tests are run
        return traceback.format_exc()
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150, help="for all of them")
    parser.add_argument("--only", default="test_*", help="files, as a pattern")
    options = parser.parse_args()
    start, failed, left = time.monotonic(), 0, 0
    for name, function in tests(options.only):
        if time.monotonic() - start > options.seconds:
            left += 1
            continue
        begin = time.monotonic()
        error = run(function)
        failed += error is not None
        result = "ok" if error is None else "FAILED"
        print(f"{result:7} {time.monotonic() - begin:6.1f} s  {name}", flush=True)
        if error is not None:
            print(error, flush=True)
    print(f"{failed} failed, {left} left out for want of time")
    sys.exit(min(failed, 100))


if __name__ == "__main__":
    main()
