"""`kuai.export`: Kuai's function of that name, and PyTorch's module `torch.export`.

`kuai.export(net, example, path)` writes a file; `kuai.export.export(net, args)` gives the same
program as an object, which `kuai.export.save` writes.
"""

from __future__ import annotations

import io
import os
import pathlib
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from typing import Any

from kuai.export.dims import Dim, ShapesCollection, named
from kuai.saving import export as _write, load_exported
from kuai.saving.atomic import write_atomically

__all__ = [
    "Dim",
    "ExportedProgram",
    "ShapesCollection",
    "export",
    "export_for_training",
    "load",
    "register_dataclass",
    "save",
]


class ExportedProgram:
    """A network as a program without its source.

    Attributes:
        data: the bytes of the `.zip` file that `kuai.export` writes.
        state_dict: the tensors that it was made with; of one from a file those that it uses.
        example_inputs: the arguments that it was made with, positional and by name.
    """

    def __init__(self, data: bytes, made_of: Any = None, example_inputs: Any = None):
        self.data = data
        self.example_inputs = example_inputs
        self._made_of = made_of
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "program.zip")
            path.write_bytes(data)
            self._program = load_exported(path)
        weights = self._program.weights if made_of is None else made_of.state_dict()
        self.state_dict: dict[str, Any] = dict(weights)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """The parameters of the network that it was made of, by name."""
        names = {} if self._made_of is None else dict(self._made_of.named_parameters())
        return ((name, self.state_dict[name]) for name in names)

    def parameters(self) -> Iterator[Any]:
        """The same without names."""
        return (tensor for _, tensor in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """What else it has, by name."""
        parameters = {name for name, _ in self.named_parameters()}
        return ((n, tensor) for n, tensor in self.state_dict.items() if n not in parameters)

    def buffers(self) -> Iterator[Any]:
        """The same without names."""
        return (tensor for _, tensor in self.named_buffers())

    def run_decompositions(self, decomp_table: Any = None, **options: Any) -> ExportedProgram:
        """The program itself: XLA's operations are small ones already."""
        return self

    def module(self, check_guards: bool = True) -> Any:
        """The program as something to call."""
        return self._program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `module()` instead."
        )

    def __repr__(self) -> str:
        return f"ExportedProgram({self._program!r})"


def export(
    mod: Any,
    args: tuple,
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
    preserve_module_call_signature: tuple = (),
    prefer_deferred_runtime_asserts_over_guards: bool = False,
) -> ExportedProgram:
    """A network, in evaluation mode, as a program without its source.

    Args:
        args, kwargs: an example of its arguments; shapes and dtypes count.
        dynamic_shapes: `{"x": {0: Dim("batch")}}`: sizes that are left open.

    Example:
        >>> import kuai.export
        >>> net = kuai.nn.Linear(2, 3)
        >>> program = kuai.export.export(net, (kuai.ones(1, 2),))
        >>> program.module()(kuai.ones(1, 2)).shape
        torch.Size([1, 3])

    Differs from PyTorch: there is no graph to look at; `kuai.fx` makes one.
    """
    if not isinstance(args, tuple):
        raise TypeError(
            f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "program.zip")
        shapes = named(dynamic_shapes)
        _write(mod, args, path, kwargs=kwargs, dynamic_batch=False, dynamic_shapes=shapes)
        return ExportedProgram(path.read_bytes(), mod, (args, dict(kwargs or {})))


export_for_training = draft_export = export


def save(ep: ExportedProgram, f: Any, **options: Any) -> None:
    """Write a program to a path or an open file."""
    if isinstance(f, (str, os.PathLike)):
        write_atomically(f, ep.data)
    else:
        f.write(ep.data)


def load(f: Any, **options: Any) -> ExportedProgram:
    """Read a program that `save` or `kuai.export` has written."""
    if isinstance(f, (str, os.PathLike)):
        return ExportedProgram(pathlib.Path(f).read_bytes())
    assert isinstance(f, io.IOBase) or hasattr(f, "read")
    return ExportedProgram(f.read())


def register_dataclass(cls: type, *, serialized_type_name: str | None = None) -> None:
    """Accepted: what `kuai.utils._pytree` knows can be an argument."""


class _Callable(types.ModuleType):
    """A module that is called like Kuai's own function."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        return _write(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
