"""The group of processes: there is one process, and it is the first."""

import os
from typing import Any

from kuai.errors import UnavailableError

__all__ = [
    "Backend",
    "GroupMember",
    "ProcessGroup",
    "check",
    "destroy_process_group",
    "get_backend",
    "get_global_rank",
    "get_group_rank",
    "get_node_local_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "is_available",
    "is_backend_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "is_ucc_available",
    "is_xccl_available",
    "new_group",
    "new_subgroups",
]

_NOT_INITIALIZED = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


class Backend(str):
    """The name of what exchanges tensors."""

    UNDEFINED, GLOO, NCCL, MPI, UCC, XCCL = "undefined", "gloo", "nccl", "mpi", "ucc", "xccl"
    backend_list = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI]

    def __new__(cls, name: str):
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """A group of one process."""

    def __init__(self, backend: str = Backend.GLOO, name: str = ""):
        self._backend, self.group_name = backend, name

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1

    def name(self) -> str:
        """The name of the backend that was asked for."""
        return self._backend


class GroupMember:
    """Which group is meant."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER = -100


class group(GroupMember):
    """The older name of `GroupMember`."""


def is_available() -> bool:
    """Whether there is a `distributed` at all: yes.

    Example:
        >>> kuai.distributed.is_available(), kuai.distributed.is_initialized()
        (True, False)
    """
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return GroupMember.WORLD is not None


def _no() -> bool:
    """Whether that library is used: it is not."""
    return False


is_nccl_available = is_mpi_available = is_ucc_available = is_xccl_available = _no


def is_gloo_available() -> bool:
    """Whether a group for CPUs can be made: one of a single process."""
    return True


def is_backend_available(backend: str) -> bool:
    """Whether a group can be made with that backend."""
    return backend.lower() == Backend.GLOO


def is_torchelastic_launched() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
    _ranks: Any = None,
) -> None:
    """Join the group: alone.

    Example:
        >>> kuai.distributed.init_process_group("gloo", rank=0, world_size=1)
        >>> kuai.distributed.get_rank(), kuai.distributed.get_world_size()
        (0, 1)
        >>> kuai.distributed.destroy_process_group()

    Raises:
        UnavailableError: the group is to have more than one process.
    """
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    known = {*Backend.backend_list, *("fake", "threaded")}
    for each in (backend or Backend.GLOO).lower().split(","):
        if (name := each.rpartition(":")[2]) not in known:
            raise AssertionError(f"Unknown backend type {name}")
    size = world_size if world_size >= 0 else int(os.environ.get("WORLD_SIZE", 1))
    if size != 1:
        raise UnavailableError(
            f"a group of {size} processes",
            "Kuai's processes do not exchange tensors",
            "Run one process; XLA divides the work of one program between several devices",
        )
    made = ProcessGroup(Backend(backend or Backend.GLOO), group_name)
    GroupMember.WORLD = group.WORLD = made


def destroy_process_group(group: Any = None) -> None:
    """Leave the group."""
    if group is None or group is GroupMember.WORLD:
        GroupMember.WORLD = globals()["group"].WORLD = None


def check(group: Any = None) -> ProcessGroup:
    """The group of all processes; raises if there is none."""
    if GroupMember.WORLD is None:
        raise ValueError(_NOT_INITIALIZED)
    return GroupMember.WORLD


def get_rank(group: Any = None) -> int:
    """The number of this process: 0."""
    check()
    return 0


def get_world_size(group: Any = None) -> int:
    """The number of processes: 1."""
    check()
    return 1


def get_backend(group: Any = None) -> str:
    """The backend that was asked for."""
    world = check()
    return Backend((group or world).name())


def get_global_rank(group: Any, group_rank: int) -> int:
    """The number among all processes: the same."""
    return group_rank


def get_group_rank(group: Any, global_rank: int) -> int:
    """The number in the group: the same."""
    return global_rank


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number on this machine."""
    return int(os.environ.get("LOCAL_RANK", fallback_rank or 0))


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The numbers of the group's processes: [0]."""
    return [0]


def new_group(ranks: Any = None, timeout: Any = None, backend: Any = None, **options: Any) -> Any:
    """A group of the same one process."""
    check()
    if ranks is not None and len(ranks) > 1:
        raise ValueError(
            "the new group's world size should be less or equal to the world size set by "
            "init_process_group"
        )
    if ranks is not None and 0 not in ranks:
        return GroupMember.NON_GROUP_MEMBER
    return ProcessGroup(Backend(backend or get_backend()))


def new_subgroups(group_size: Any = None, **options: Any) -> tuple[Any, list[Any]]:
    """The only group that there is, twice."""
    made = new_group()
    return made, [made]
