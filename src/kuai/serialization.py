"""`kuai.serialization`: files of tensors; nothing in a file is ever run."""

import contextlib
import enum
import os
import warnings
from collections.abc import Callable
from typing import IO, Any, TypeAlias

from kuai.engine.tensor.devices import device
from kuai.saving import asked_places, load, own_classes, save
from kuai.saving.storages import saved_place
from kuai.storage import UntypedStorage

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_safe_globals",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "validate_cuda_device",
]

DEFAULT_PROTOCOL = 2
#: What `load` takes as `map_location`, and as a file; for annotations.
MAP_LOCATION: TypeAlias = Callable[[Any, str], Any] | device | str | dict[str, str] | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]


def add_safe_globals(safe_globals: list) -> None:
    """Have `load` make objects of these classes, whoever wrote the file, and call these functions.

    Args:
        safe_globals: callables, or pairs of one and the name that it goes by in files.
    """
    own_classes.safe_globals.extend(safe_globals)


def get_safe_globals() -> list:
    """The classes and functions that `load` may use."""
    return list(own_classes.safe_globals)


def clear_safe_globals() -> None:
    """Forget them."""
    own_classes.safe_globals.clear()


class safe_globals:
    """A context in which `load` may use some classes and functions: see `add_safe_globals`."""

    def __init__(self, safe_globals: list) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._before = list(own_classes.safe_globals)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: Any) -> None:
        own_classes.safe_globals[:] = self._before


class skip_data(contextlib.nullcontext):
    """A context that changes nothing."""


class LoadEndianness(enum.Enum):
    """Orders of bytes, for files that do not say theirs; every file that Kuai reads does."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class SourceChangeWarning(Warning):
    """What PyTorch warns with if a class has changed since a file was written; never used here."""


_settings: dict[str, Any] = {"endianness": None, "crc32": True}


def get_default_load_endianness() -> LoadEndianness | None:
    """What `set_default_load_endianness` was told; files say their order themselves."""
    return _settings["endianness"]


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Note an order of bytes for files that do not say theirs.

    Raises:
        TypeError: it is neither a `LoadEndianness` nor None.
    """
    if not (endianness is None or isinstance(endianness, LoadEndianness)):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _settings["endianness"] = endianness


def get_crc32_options() -> bool:
    """What `set_crc32_options` was told."""
    return _settings["crc32"]


def set_crc32_options(compute_crc32: bool) -> None:
    """Note whether checksums are wanted; they are always written."""
    _settings["crc32"] = compute_crc32


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple, error_if_malformed: bool = True
) -> bool:
    """Whether a module's `__version__` is at least the one given, as a tuple.

    Example:
        >>> import numpy
        >>> kuai.serialization.check_module_version_greater_or_equal(numpy, (1, 20))
        True
    """
    try:
        parts = module.__version__.split(".")
        version = tuple(type(want)(parts[i]) for i, want in enumerate(req_version_tuple))
        return version >= req_version_tuple
    except (IndexError, ValueError) as error:
        text = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and "
            f"cannot be compared with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(f"{text}, but continuing assuming that requirement is met", stacklevel=2)
        return True


# Where storages go --------------------------------------------------------------------------------


def register_package(
    priority: int,
    tagger: Callable[[Any], str | None],
    deserializer: Callable[[Any, str], Any],
) -> None:
    """Have functions say where storages lie when they are saved, and move them there when loaded.

    Args:
        priority: the lowest is asked first; that of the CPU is 10, that of GPUs 20.
        tagger: gives the name of the place of a storage, or None.
        deserializer: gives a storage there for one in host memory and such a name, or None.

    Example:
        >>> to_cpu = lambda storage, place: storage if place.startswith("ipu") else None
        >>> kuai.serialization.register_package(11, lambda storage: None, to_cpu)
        >>> storage = kuai.ones(1).untyped_storage()
        >>> kuai.serialization.default_restore_location(storage, "ipu:0") is storage
        True
    """
    _package_registry.append((priority, tagger, deserializer))
    _package_registry.sort(key=lambda entry: entry[0])
    asked_places.taggers_and_restorers.append(
        (
            priority,
            lambda tensor: tagger(UntypedStorage(tensor)),
            lambda tensor, location: _moved(tensor, deserializer, location),
        )
    )
    asked_places.taggers_and_restorers.sort(key=lambda entry: entry[0])


def _moved(tensor: Any, deserializer: Callable[[Any, str], Any], location: str) -> Any:
    """The tensor where the deserializer puts its storage."""
    storage = deserializer(UntypedStorage(tensor), location)
    if storage is None:
        return None
    return tensor.to(storage.device)


def _tag(kind: str) -> Callable[[Any], str | None]:
    return lambda storage: _name(storage.device) if storage.device.type == kind else None


def _name(place: device) -> str:
    return "cpu" if place.type == "cpu" else str(place)


def _restore(kind: str) -> Callable[[Any, str], Any]:
    def restore(storage: Any, location: str) -> Any:
        if location.partition(":")[0] != kind:
            return None
        return storage if kind == "cpu" else storage.to(device=saved_place(location))

    return restore


_package_registry: list[tuple[int, Callable, Callable]] = [
    (10, _tag("cpu"), _restore("cpu")),
    (20, _tag("cuda"), _restore("cuda")),
]


def location_tag(storage: Any) -> str:
    """What the place of a storage is called in files.

    Example:
        >>> kuai.serialization.location_tag(kuai.ones(1).untyped_storage())
        'cpu'
    """
    for _, tagger, _ in _package_registry:
        if location := tagger(storage):
            return location
    raise RuntimeError(f"don't know how to determine data location of {_typename(storage)}")


def default_restore_location(storage: Any, location: str) -> Any:
    """A storage in the place of that name, by the first function that knows it."""
    for _, _, deserializer in _package_registry:
        found = deserializer(storage, location)
        if found is not None:
            return found
    raise RuntimeError(
        f"don't know how to restore data location of {_typename(storage)} (tagged with {location})"
    )


def _typename(storage: Any) -> str:
    kind = type(storage)
    path = f"{kind.__module__}.{kind.__qualname__}"
    return path.replace("kuai.", "torch.", 1) if path.startswith("kuai.") else path


def validate_cuda_device(location: str) -> int | None:
    """The number of a GPU that is named as in `cuda:1`.

    Raises:
        RuntimeError: there is no such GPU.
    """
    return saved_place(location).index


def get_default_mmap_options() -> int:
    """How files are mapped: privately."""
    return 2


def set_default_mmap_options(flags: int) -> None:
    """Does nothing: see `get_default_mmap_options`."""
