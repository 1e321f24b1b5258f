"""`kuai run script.py …`: a program written for PyTorch, unchanged, on Kuai.

The program sees what it would see under `python script.py …`: its own `sys.argv`, `sys.path[0]` and
`__main__`; its exit status, its tracebacks and Ctrl-C are what Python makes of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import linecache
import os
import sys
import types
from importlib.machinery import PathFinder
from typing import Any

import kuai.as_torch
from kuai.cli.explaining import Notes
from kuai.cli.streams import complain
from kuai.engine.compile import compiler
from kuai.engine.compile.recorder import Recorder
from kuai.engine.tensor import modes
from kuai.errors import StandInError
from kuai.standin.paths import ours

__all__ = ["add_command", "run"]


def add_command(commands: Any) -> None:
    """Add `run` to the commands of `kuai`."""
    parser = commands.add_parser(
        "run",
        usage="kuai run [--fused] [--explain] (script.py | - | -m module | -c code) [argument ...]",
        help="run a PyTorch program on Kuai",
        description="Run a program that imports torch, unchanged: in this process `torch` is Kuai.",
    )
    add = parser.add_argument
    add("--fused", action="store_true", help="record operations and run them as a few programs")
    add("--explain", action="store_true", help="say at the end what was missing, or slow")
    add("-m", dest="module", action="store_true", help="the program is a module, as in python -m")
    add("-c", dest="code", action="store_true", help="the program is given itself, as in python -c")
    add("program", help="a script (- is what comes in), a folder or zip file, a module, or code")
    given = add("arguments", nargs=argparse.REMAINDER, help="what the program is given")
    given.required = False  # else a missing program's error names both
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the program; whatever it raises, `SystemExit` too, comes out of here."""
    main = types.ModuleType("__main__")
    _show_its_own_frames(main)
    try:
        kuai.as_torch.as_torch()
        code = _kind(options)(options.program, main)
    except (StandInError, OSError, _NoModule) as error:
        complain(str(error))
        return 2
    sys.argv = [_first_argument(options, main), *options.arguments]
    sys.modules["__main__"] = main
    if options.fused:
        os.environ["KUAI_FUSED"] = "1"  # for the processes that it starts
        modes.record_everything(lambda: Recorder(compiler._fused, eagerly=True))
    notes = Notes(options.fused) if options.explain else None
    try:
        exec(code, main.__dict__)
    finally:
        if notes is not None:
            notes.print()
    return 0


def _kind(options: argparse.Namespace) -> Any:
    if options.module or options.code:
        return _module if options.module else _given
    return _standard_input if options.program == "-" else _script


def _first_argument(options: argparse.Namespace, main: types.ModuleType) -> str:
    """What Python puts there: the module's file, `-c`, or what was typed."""
    if options.module:
        return str(main.__file__)
    return "-c" if options.code else options.program


class _NoModule(Exception):
    """There is no such module to run."""


def _script(path: str, main: types.ModuleType) -> types.CodeType:
    """The code of a script; what `__main__` knows of it is noted there."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        _look_first_in(path)
        return _found("__main__", PathFinder.find_spec("__main__", [path]), main)
    with io.open_code(os.path.abspath(path)) as file:
        source = file.read()
    _look_first_in(os.path.dirname(os.path.realpath(path)))
    main.__dict__.update(__file__=path, __builtins__=__builtins__)
    return compile(source, path, "exec", dont_inherit=True)


def _standard_input(_: str, main: types.ModuleType) -> types.CodeType:
    """The code that comes in, as `python -` runs it."""
    return _given(sys.stdin.read(), main, "<stdin>")


def _given(source: str, main: types.ModuleType, name: str = "<string>") -> types.CodeType:
    """The code of a program that has no file."""
    _look_first_in("")
    main.__dict__.update(__builtins__=__builtins__)
    code = compile(source, name, "exec", dont_inherit=True)
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    return code


def _module(name: str, main: types.ModuleType) -> types.CodeType:
    """The code of a module: of `name.__main__`, if it is a package."""
    _look_first_in(os.getcwd())
    name = ours(name) or name
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except ModuleNotFoundError:
        spec = None
    return _found(name, spec, main)


def _found(name: str, spec: Any, main: types.ModuleType) -> types.CodeType:
    code = None if spec is None else spec.loader.get_code(spec.name)
    if spec is None or code is None:
        raise _NoModule(f"there is no module {name!r} that can be run")
    main.__dict__.update(__file__=spec.origin, __builtins__=__builtins__, __loader__=spec.loader)
    main.__spec__, main.__package__ = spec, spec.parent
    return code


def _look_first_in(folder: str) -> None:
    """Have imports look there first, where Python would put the script's own folder."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _show_its_own_frames(main: types.ModuleType) -> None:
    """Have tracebacks begin in the program, not in the command that started it."""
    show = sys.excepthook

    def show_its_own(kind, error, traceback):
        while traceback is not None and traceback.tb_frame.f_globals is not main.__dict__:
            traceback = traceback.tb_next  # None is left of a program that cannot be compiled
        show(kind, error.with_traceback(traceback), traceback)

    sys.excepthook = show_its_own
