"""Functions that PyTorch has taken away, with what to use instead."""

from collections.abc import Callable

__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]


def _gone(name: str, instead: str) -> Callable:
    def gone(*args, **kwargs):
        raise RuntimeError(
            "This function was deprecated since version 1.9 and is now removed. "
            f"Please use `torch.linalg.{instead}`."
        )

    gone.__name__ = gone.__qualname__ = name
    gone.__doc__ = f"""PyTorch's former `{name}`: `kuai.linalg.{instead}` stands for it.

    Raises:
        RuntimeError: always, as in PyTorch.
    """
    return gone


eig = _gone("eig", "eig")
lstsq = _gone("lstsq", "lstsq")
matrix_rank = _gone("matrix_rank", "matrix_rank")
solve = _gone("solve", "solve")
symeig = _gone("symeig", "eigh")
