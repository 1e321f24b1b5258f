"""Transforms of the parts of a tensor: one for each piece, or for each index, of a dimension."""

from kuai.distributions import constraints
from kuai.distributions.functions import cat, stack
from kuai.distributions.transform import Transform
from kuai.distributions.utils import _sum_rightmost

__all__ = ["CatTransform", "StackTransform"]


class _Joined(Transform):
    """What transforms of the parts of a tensor have in common."""

    def __init__(self, tseq, dim=0, cache_size=0):
        if not all(isinstance(each, Transform) for each in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size=cache_size)
        self.transforms = [each.with_cache(cache_size) if cache_size else each for each in tseq]
        self.dim = dim

    @property
    def bijective(self):
        return all(each.bijective for each in self.transforms)

    def _check(self, **values):
        size, what = self._size()
        for name, value in values.items():
            if not -value.dim() <= self.dim < value.dim():
                subject = "tensor" if len(values) == 1 else name
                raise AssertionError(
                    f"dim {self.dim} out of range for {subject} with {value.dim()} dimensions"
                )
            if value.size(self.dim) != size:
                found = value.size(self.dim)
                raise AssertionError(f"{name}.size({self.dim}) = {found} must equal {what} {size}")

    def _size(self):
        """The size of the dimension, and what it is in an error."""
        raise NotImplementedError

    def _parts(self, value):
        raise NotImplementedError

    def _together(self, parts):
        raise NotImplementedError

    def _call(self, x):
        self._check(x=x)
        pairs = zip(self.transforms, self._parts(x), strict=True)
        return self._together([each(part) for each, part in pairs])

    def _inverse(self, y):
        self._check(y=y)
        pairs = zip(self.transforms, self._parts(y), strict=True)
        return self._together([each.inv(part) for each, part in pairs])

    def _jacobians(self, x, y):
        self._check(x=x, y=y)
        triples = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        return [(each, each.log_abs_det_jacobian(a, b)) for each, a, b in triples]


class CatTransform(_Joined):
    """One transform for each piece of a dimension, the pieces having the given lengths.

    Args:
        tseq: the transforms.
        dim: the dimension.
        lengths: the lengths of the pieces; default: 1 each.

    Example:
        >>> from kuai.distributions.transforms import CatTransform, ExpTransform, identity_transform
        >>> t = CatTransform([ExpTransform(), identity_transform], dim=0, lengths=[1, 2])
        >>> t(kuai.tensor([0.0, 3.0, 4.0]))
        tensor([1., 3., 4.])
    """

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})"
            )

    @property
    def event_dim(self):
        return max(each.event_dim for each in self.transforms)

    @property
    def length(self):
        """The size of the dimension."""
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _size(self):
        return self.length, "length"

    def _parts(self, value):
        return value.split(self.lengths, self.dim)

    def _together(self, parts):
        return cat(parts, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        jacobians = [
            _sum_rightmost(found, self.event_dim - each.event_dim)
            for each, found in self._jacobians(x, y)
        ]
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return cat(jacobians, dim=dim) if dim < 0 else sum(jacobians)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Joined):
    """One transform for each index of a dimension.

    Args:
        tseq: the transforms.
        dim: the dimension.
    """

    def with_cache(self, cache_size=1):
        if self._cache_size == cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _size(self):
        return len(self.transforms), "len(transforms)"

    def _parts(self, value):
        return value.unbind(self.dim)

    def _together(self, parts):
        return stack(parts, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        return stack([found for _, found in self._jacobians(x, y)], dim=self.dim)

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
