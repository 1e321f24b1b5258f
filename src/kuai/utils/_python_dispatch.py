"""`kuai.utils._python_dispatch`: PyTorch's dispatch below autograd, which does not exist here."""

from kuai.standin.refusing import refused_class

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass"]

TorchDispatchMode = refused_class(
    "torch.utils._python_dispatch.TorchDispatchMode",
    "there is no dispatcher below the tape",
    "Use kuai.overrides.TorchFunctionMode",
)


def is_traceable_wrapper_subclass(t) -> bool:
    """Whether it is a tensor made of tensors: no."""
    return False


def return_and_correct_aliasing(func, args, kwargs, out):
    """The result itself."""
    return out
