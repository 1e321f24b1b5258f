"""`kuai.quasirandom`: points that fill the unit cube more evenly than random ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, dtypes, from_array

__all__ = ["SobolEngine"]


class SobolEngine:
    """Sobol's sequence.

    Args:
        dimension: of the cube.
        scramble: digits at random, so that the points are a sample.
        seed: what the digits are drawn from.

    Example:
        >>> kuai.quasirandom.SobolEngine(2).draw(3)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500]])

    Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", 2008; the
    points are SciPy's (`scipy.stats.qmc`).

    Differs from PyTorch: where digits are drawn at random they are other ones.
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None):
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        self.num_generated = 0
        self._points = self._begun()

    def _begun(self) -> Any:
        from scipy.stats import qmc  # takes longer than all of Kuai

        return qmc.Sobol(self.dimension, scramble=self.scramble, bits=self.MAXBIT, rng=self.seed)

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next `n` points."""
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: [{n}, {self.dimension}]"
            )
        kind = dtypes.to_jax(dtypes.get_default_dtype() if dtype is None else dtype)
        points = self._drawn(n).astype(kind)
        self.num_generated += n
        made = from_array(points)
        return made if out is None else out.resize_(points.shape).copy_(made)

    def _drawn(self, count: int) -> np.ndarray:
        rows = np.empty((0, self.dimension))
        # a warning of SciPy's, that numbers of points should be powers of two, is not PyTorch's
        for size in [1, count - 1] if self.num_generated == 0 and count > 1 else [count]:
            if size:
                rows = np.concatenate([rows, self._points.random(size)])
        return rows

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next `2**m` points."""
        count = 2**m
        total = self.num_generated + count
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n=count, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Begin again."""
        self._points.reset()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave `n` points out."""
        self._points.fast_forward(n)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        shown = f"dimension={self.dimension}"
        if self.scramble:
            shown += ", scramble=True"
        if self.seed is not None:
            shown += f", seed={self.seed}"
        return f"{type(self).__name__}({shown})"
