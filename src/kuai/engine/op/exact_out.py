"""Operations whose `out=` must have exactly the dtype of their result, and PyTorch's texts for it.

Most operations convert to the dtype of `out`; these do not. Which ones is said where they are
defined: `@op(exact_out=SAME)`.
"""

from kuai.engine.tensor.promotion import scalar_name

__all__ = ["FOUND", "MATCHING", "SAME", "SCALAR", "check_exact"]

SAME = "Expected out tensor to have dtype {c_wanted}, but got {c_found} instead"
FOUND = "Found dtype {found} but expected {wanted}"
MATCHING = (
    "Expected the dtype for input and out to match, but got {wanted} for input's dtype and {found} "
    "for out's dtype."
)
SCALAR = "Expected object of scalar type {wanted} but got scalar type {found} for argument 'out'"

_C_NAMES = {
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def check_exact(text: str, found, wanted) -> None:
    """Raise the error that a text describes if the dtype of `out` is not that of the result.

    Example:
        >>> check_exact(FOUND, kuai.float64, kuai.float32)
        Traceback (most recent call last):
        RuntimeError: Found dtype Double but expected Float
    """
    if found is wanted:
        return
    names = {
        "found": scalar_name(found.jax),
        "wanted": scalar_name(wanted.jax),
        "c_found": _C_NAMES.get(found.name, found.name),
        "c_wanted": _C_NAMES.get(wanted.name, wanted.name),
    }
    raise RuntimeError(text.format(**names))
