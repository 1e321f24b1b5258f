"""Operations whose `out=` must have exactly the dtype of their result, and PyTorch's texts for it.

Most operations convert to the dtype of `out`; these do not. Which ones is said where they are
defined: `@op(exact_out=SAME)`, or with a text for each of several results. A `Castable` text is
for those that do convert, but have words of their own where that is not possible.
"""

from kuai.engine.tensor import modes
from kuai.engine.tensor.promotion import c_name, can_cast, scalar_name

__all__ = ["EXPECTED", "FOUND", "JOINED", "MATCHING", "MEDIAN", "SAME", "SCALAR", "SEARCHED"]
__all__ += ["Castable", "TENSORDOT", "castable", "complex_out", "real_out"]
__all__ += ["check_dtype_of", "check_exact", "refuse_gradients"]

SAME = "Expected out tensor to have dtype {c_wanted}, but got {c_found} instead"
FOUND = "Found dtype {found} but expected {wanted}"
MATCHING = (
    "Expected the dtype for input and out to match, but got {wanted} for input's dtype and {found} "
    "for out's dtype."
)
SCALAR = "Expected object of scalar type {wanted} but got scalar type {found} for argument 'out'"

EXPECTED = "expected scalar_type {wanted} but found {found}"


class Castable(str):
    """The words of an operation that converts to the dtype of `out` where that can be done."""


def complex_out(name: str) -> Castable:
    """The words of a Fourier transform to complex numbers."""
    return Castable(f"{name} expects a complex output tensor, but got {{found}}")


def real_out(name: str) -> Castable:
    """The words of a Fourier transform to real numbers."""
    return Castable(f"{name} expects a floating point output tensor, but got {{found}}")


def castable(name: str, result: str = "result") -> Castable:
    """The words of a function of matrices, for one of its results."""
    return Castable(
        f"{name}: Expected {result} to be safely castable from {{wanted}} dtype, but got {result} "
        "with dtype {found}"
    )


JOINED = Castable("torch.cat(): input types can't be cast to the desired output type {found}")
SEARCHED = (
    "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or "
    "Long(int64) depending on whether out_int32 flag is True, but we got output tensor's dtype "
    "{found} and out_int32 flag is {flag}"
)
TENSORDOT = (
    "tensordot: Expected the output tensor to have dtype {wanted}, but got an output tensor with "
    "dtype {found}"
)
MEDIAN = (
    "Expected tensor for 'values' to have the same type as tensor for argument #2 'self'; but type "
    "{t_found} does not equal {t_wanted} (while checking arguments for median)",
    "Expected tensor for argument #1 'indices' to have scalar type Long; but got {t_found} instead "
    "(while checking arguments for median)",
)


def check_exact(text: str, found, wanted) -> None:
    """Raise the error that a text describes if the dtype of `out` is not that of the result.

    Example:
        >>> check_exact(FOUND, kuai.float64, kuai.float32)
        Traceback (most recent call last):
        RuntimeError: Found dtype Double but expected Float
    """
    if found is wanted or (isinstance(text, Castable) and can_cast(wanted, found)):
        return
    names = {
        "found": scalar_name(found.jax),
        "wanted": scalar_name(wanted.jax),
        "c_found": c_name(found),
        "c_wanted": c_name(wanted),
        "flag": wanted.name == "int32",
    }
    names |= {f"t_{each}": _type_name(names[each]) for each in ("found", "wanted")}
    raise (TypeError if text is JOINED else RuntimeError)(text.format(**names))


def _type_name(scalar: str) -> str:
    return "CPUBoolType" if scalar == "Bool" else f"torch.{scalar}Tensor"


def refuse_gradients(name: str, *tensors) -> None:
    """PyTorch's error where a result is written to `out=` and a tensor requires a gradient."""
    if modes.state.grad_enabled and any(tensor.requires_grad for tensor in tensors):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )


def check_dtype_of(out, dtype) -> None:
    """PyTorch's error where a constructor is given a dtype and another one by `out=`."""
    if out is not None and dtype is not None and out.dtype is not dtype:
        raise RuntimeError(
            f"dtype {scalar_name(dtype.jax)} does not match dtype of out parameter "
            f"({scalar_name(out.dtype.jax)})"
        )
