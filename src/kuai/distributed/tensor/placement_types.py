"""How a tensor is divided between processes, in PyTorch: names for annotations."""

from dataclasses import dataclass

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """How a tensor lies on a row of processes."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is divided (along a dimension)."""
        return isinstance(self, Shard) and (dim is None or self.dim == dim)

    def is_replicate(self) -> bool:
        """Whether everybody has all of it."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether everybody has a summand of it."""
        return isinstance(self, Partial)


@dataclass(frozen=True)
class Shard(Placement):
    """Divided along a dimension."""

    dim: int


@dataclass(frozen=True)
class _StridedShard(Shard):
    split_factor: int = 1


@dataclass(frozen=True)
class Replicate(Placement):
    """Everybody has all of it."""


@dataclass(frozen=True)
class Partial(Placement):
    """Everybody has a summand of it."""

    reduce_op: str = "sum"
