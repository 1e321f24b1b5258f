"""`kuai._classes`: classes of PyTorch's that are written in C++; there are none."""

from typing import Any, NoReturn

from kuai.errors import UnavailableError

__all__ = ["classes"]


class _Classes:
    """What `torch.classes` is."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnavailableError(
            f"torch.classes.{name}", "there are no C++ classes of PyTorch's", "Use a Python class"
        )

    @property
    def loaded_libraries(self) -> set[str]:
        """The libraries that were loaded."""
        return set()

    def load_library(self, path: Any) -> NoReturn:
        """Refused."""
        raise UnavailableError(
            f"loading {path}", "it is compiled for the real PyTorch", "Use jax.ffi for own kernels"
        )


classes = _Classes()
