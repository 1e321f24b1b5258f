"""`kuai.autograd.gradcheck`: PyTorch's file of the comparison with finite differences."""

from kuai.engine.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
