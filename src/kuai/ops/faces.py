"""Faces for `kuai.nn.functional`: what several families of operations need to look like PyTorch's.

Many of PyTorch's functional operations take `inplace=False` last; the operations themselves do not.
"""

import inspect

from kuai.engine.op import composite, inplace
from kuai.engine.tensor import overriding
from kuai.engine.tensor.overriding import ACTIVE, NOBODY, PLAIN


def with_inplace(public):
    """The functional face of an operation, with PyTorch's argument `inplace` behind its own ones.

    Example:
        >>> x = kuai.tensor([-1.0, 1.0])
        >>> kuai.nn.functional.relu(x, inplace=True) is x
        True
    """
    change = inplace(public, f"{public.__name__}_")
    parameters = list(inspect.signature(public).parameters.values())
    count = len(parameters)

    def face(*args, inplace=False, **kwargs):
        if len(args) == count + 1:
            *args, inplace = args
        if ACTIVE or (args and type(args[0]) not in PLAIN):
            answer = overriding.ask(face, args, {"inplace": inplace, **kwargs})
            if answer is not NOBODY:
                return answer
        return (change if inplace else public)(*args, **kwargs)

    for name in ("__module__", "__name__", "__qualname__", "__doc__", "pure", "operation"):
        setattr(face, name, getattr(public, name))
    last = inspect.Parameter(
        "inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=bool
    )
    face.__signature__ = inspect.Signature([*parameters, last])
    return composite(export=f"nn.functional.{public.pure.__name__}")(face)


def with_underscore(face):
    """Also export an operation's in-place version as `kuai.nn.functional.<name>_`."""

    def change(input, *args, **kwargs):
        return face(input, *args, inplace=True, **kwargs)

    change.__name__ = change.__qualname__ = f"{face.__name__}_"
    change.__module__ = face.__module__
    change.__doc__ = f"In-place version of `{face.__name__}`."
    parameters = inspect.signature(face).parameters.values()
    change.__signature__ = inspect.Signature([p for p in parameters if p.name != "inplace"])
    composite(export=f"nn.functional.{face.__name__}_")(change)
    return face
