"""`kuai.quasirandom`: Sobol's points, which fill a cube more evenly than random ones."""

import warnings
from typing import Any

from scipy.stats import qmc

from kuai.engine.tensor import dtypes
from kuai.engine.tensor.randomness import initial_seed
from kuai.ops.array.creation import tensor

__all__ = ["SobolEngine"]


class SobolEngine:
    """Draws the points of a Sobol sequence in the cube [0, 1) of some dimensions.

    Args:
        dimension: how many numbers a point has, 1 to 21201.
        scramble: shift and mix the points by chance, which keeps how evenly they lie.
        seed: of that chance; None takes what the default generator was started from.

    Raises:
        ValueError: the dimension is out of range.

    Example:
        >>> kuai.quasirandom.SobolEngine(2).draw(3)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500]])

    Reference: S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
    projections", 2008; SciPy has their numbers.

    Differs from PyTorch: what `scramble` draws, as all of chance does.
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None):
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        chance = initial_seed() if seed is None else seed
        options: dict[str, Any] = {"rng": chance} if scramble else {}
        self._points = qmc.Sobol(dimension, scramble=scramble, bits=self.MAXBIT, **options)

    @property
    def num_generated(self) -> int:
        """How many points were drawn or skipped."""
        return self._points.num_generated

    def draw(self, n: int = 1, out=None, dtype=None):
        """The next `n` points, `(n, dimension)`, or written into `out`."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The balance properties of Sobol")
            points = self._points.random(n)
        found = tensor(points, dtype=dtype or dtypes.get_default_dtype())
        if out is None:
            return found
        out.resize_(found.shape).copy_(found)
        return out

    def draw_base2(self, m: int, out=None, dtype=None):
        """The next 2ᵐ points.

        Raises:
            ValueError: together with those of before they are no power of two.
        """
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1) != 0:
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. "
                "If you still want to do this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n=n, out=out, dtype=dtype)

    def reset(self):
        """Begin again."""
        self._points.reset()
        return self

    def fast_forward(self, n: int):
        """Skip `n` points."""
        self._points.fast_forward(n)
        return self

    def __repr__(self) -> str:
        parts = [f"dimension={self.dimension}"]
        if self.scramble:
            parts.append("scramble=True")
        if self.seed is not None:
            parts.append(f"seed={self.seed}")
        return f"{type(self).__name__}({', '.join(parts)})"
