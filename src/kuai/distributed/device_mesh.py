"""`kuai.distributed.device_mesh`: grids of processes. There is one process, so one place."""

from __future__ import annotations

import math
from typing import Any

from kuai.distributed.group import GroupMember, ProcessGroup
from kuai.errors import UnavailableError
from kuai.ops.array.existing_data import as_tensor
from kuai.ops.array.shaping import shape_of

__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    """A grid of one process.

    Args:
        device_type: what the process computes on.
        mesh: the numbers of the processes, nested lists of 0 alone.
        mesh_dim_names: what the dimensions are called.

    Example:
        >>> from kuai.distributed.device_mesh import init_device_mesh
        >>> mesh = init_device_mesh("cpu", (1, 1), mesh_dim_names=("dp", "tp"))
        >>> mesh, mesh["tp"].size()
        (DeviceMesh((dp=1, tp=1), 'cpu', stride=(1, 1)), 1)

    Raises:
        UnavailableError: the grid is to have more than one process.
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any = None,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
        backend_override: Any = None,
        _init_backend: bool = True,
        _rank: int | None = None,
    ):
        self.device_type = device_type
        self.mesh = as_tensor([0] if mesh is None else mesh)
        self.mesh_dim_names = mesh_dim_names
        _check_alone(self.mesh.numel())

    @property
    def shape(self) -> tuple[int, ...]:
        """How many processes there are in each dimension."""
        return tuple(shape_of(self.mesh))

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """How many processes there are, in one dimension or in all."""
        return math.prod(self.shape) if mesh_dim is None else self.shape[mesh_dim]

    def get_rank(self) -> int:
        """The number of this process."""
        return 0

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """Its number in one dimension."""
        return 0

    def get_coordinate(self) -> list[int]:
        """Where this process stands."""
        return [0] * self.ndim

    def get_group(self, mesh_dim: int | str | None = None) -> Any:
        """The group of a dimension."""
        return GroupMember.WORLD or ProcessGroup()

    def get_all_groups(self) -> list[Any]:
        """The groups of all dimensions."""
        return [self.get_group()] * self.ndim

    def __getitem__(self, mesh_dim_names: str | tuple[str, ...]) -> DeviceMesh:
        names = (mesh_dim_names,) if isinstance(mesh_dim_names, str) else tuple(mesh_dim_names)
        if self.mesh_dim_names is None:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        for name in names:
            if name not in self.mesh_dim_names:
                raise KeyError(
                    f"Invalid mesh_dim_names {names} specified. Valid mesh_dim_names are "
                    f"{list(self.mesh_dim_names)}."
                )
        nested: Any = 0
        for _ in names:
            nested = [nested]
        return DeviceMesh(self.device_type, nested, mesh_dim_names=names)

    def _flatten(self, mesh_dim_name: str | None = None) -> DeviceMesh:
        name = mesh_dim_name or "_".join(self.mesh_dim_names or ())
        return DeviceMesh(self.device_type, [0], mesh_dim_names=(name,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceMesh) and (
            (self.device_type, self.shape, self.mesh_dim_names)
            == (other.device_type, other.shape, other.mesh_dim_names)
        )

    def __hash__(self) -> int:
        return hash((self.device_type, self.shape, self.mesh_dim_names))

    def __enter__(self) -> DeviceMesh:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing has to be undone."""

    def __repr__(self) -> str:
        names = self.mesh_dim_names
        sizes = [f"{n}={s}" for n, s in zip(names, self.shape, strict=True)] if names else None
        shown = f"({', '.join(sizes)})" if sizes else str(self.shape)
        stride = tuple(self.mesh.stride())
        return f"DeviceMesh({shown}, {self.device_type!r}, stride={stride})"


def _check_alone(count: int) -> None:
    if count != 1:
        raise UnavailableError(
            f"a mesh of {count} processes",
            "Kuai's processes do not exchange tensors",
            "Divide the data of one program between devices instead",
        )


def init_device_mesh(
    device_type: str,
    mesh_shape: tuple[int, ...],
    *,
    mesh_dim_names: tuple[str, ...] | None = None,
    backend_override: Any = None,
) -> DeviceMesh:
    """A grid of processes, as far as it has one place.

    Example:
        >>> from kuai.distributed.device_mesh import init_device_mesh
        >>> init_device_mesh("cpu", (1,)).shape
        (1,)
    """
    if mesh_dim_names is not None and len(set(mesh_dim_names)) != len(mesh_dim_names):
        raise RuntimeError(
            "Each mesh_dim_name must be unique.",
            f"Found repeated mesh_dim_name in mesh_dim_names {mesh_dim_names}",
        )
    if mesh_dim_names is not None and len(mesh_shape) != len(mesh_dim_names):
        raise RuntimeError(
            "mesh_shape and mesh_dim_names should have same length!",
            f"Found len(mesh_dim_names): {len(mesh_dim_names)} and len(mesh_shape):"
            f"{len(mesh_shape)}.",
        )
    _check_alone(math.prod(mesh_shape))
    nested: Any = 0
    for _ in mesh_shape:
        nested = [nested]
    return DeviceMesh(device_type, nested, mesh_dim_names=mesh_dim_names)
