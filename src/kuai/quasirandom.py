"""`kuai.quasirandom`: points that fill a cube more evenly than random ones do.

I. M. Sobol (1967), "On the distribution of points in a cube and the approximate evaluation of
integrals"; the direction numbers are those of S. Joe and F. Y. Kuo (2008), as SciPy has them.
"""

import warnings

import numpy as np
from scipy.stats import qmc

import kuai

__all__ = ["SobolEngine"]


class SobolEngine:
    """Sobol' sequences in [0, 1)^dimension, the first point being 0.

    Args:
        dimension: of the points, from 1 to 21201.
        scramble: whether the digits are mixed at random, which takes away the point 0.
        seed: of the scrambling; by default it is drawn from Kuai's generator.

    Example:
        >>> points = kuai.quasirandom.SobolEngine(2)
        >>> points.draw(3)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500]])

    Raises:
        ValueError: there are no direction numbers for the dimension.
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension, scramble=False, seed=None):
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        if scramble and seed is None:
            seed = int(kuai.randint(2**31, ()).item())
        self._sequence = qmc.Sobol(dimension, scramble=scramble, bits=self.MAXBIT, rng=seed)
        self.num_generated = 0

    def draw(self, n: int = 1, out=None, dtype=None) -> kuai.Tensor:
        """The next `n` points, one a row.

        Example:
            >>> kuai.quasirandom.SobolEngine(1).draw(2)
            tensor([[0.0000],
                    [0.5000]])
        """
        with warnings.catch_warnings():  # PyTorch gives any number of points without a word
            warnings.simplefilter("ignore", UserWarning)
            points = self._sequence.random(n) if n else np.zeros((0, self.dimension))
        self.num_generated += n
        made = kuai.tensor(points, dtype=dtype or kuai.get_default_dtype())
        if out is None:
            return made
        return out.resize_(made.shape).copy_(made)

    def draw_base2(self, m: int, out=None, dtype=None) -> kuai.Tensor:
        """The next 2ᵐ points; how many there are by then has to be a power of two, too.

        Raises:
            ValueError: it is not.
        """
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: n="
                f"{self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n, out, dtype)

    def reset(self) -> "SobolEngine":
        """Begin anew."""
        self._sequence.reset()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> "SobolEngine":
        """Leave out the next `n` points."""
        if n:
            self._sequence.fast_forward(n)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        parts = [f"dimension={self.dimension}"]
        parts += ["scramble=True"] if self.scramble else []
        parts += [f"seed={self.seed}"] if self.seed is not None else []
        return f"{type(self).__name__}({', '.join(parts)})"
