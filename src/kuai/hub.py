"""`kuai.hub`: files and models from elsewhere: downloads with a checksum, `hubconf.py` folders.

A file is downloaded beside its place under another name, and gets its own name when it is whole and
its checksum is right.
"""

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import re
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Sized
from typing import Any
from urllib.parse import urlparse

from kuai.errors import UnavailableError
from kuai.saving import load as _load_file

__all__ = [
    "HASH_REGEX",
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

#: The checksum in a name such as `resnet18-f37072fd.pth`.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_CHUNK = 1 << 17
_chosen: dict[str, str] = {}


def get_dir() -> str:
    """The folder of what is downloaded: `set_dir`'s, or `hub` in `$TORCH_HOME`.

    Example:
        >>> kuai.hub.get_dir().endswith("hub")
        True
    """
    return _chosen.get("dir") or os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Choose the folder of what is downloaded."""
    _chosen["dir"] = os.path.expanduser(d)


def _get_torch_home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download a file.

    Args:
        dst: where it is put, in a folder that exists.
        hash_prefix: what its SHA-256 has to begin with.
        progress: whether to show a bar on the terminal.

    Raises:
        RuntimeError: the checksum is another one; nothing is left at `dst` then.
    """
    target = pathlib.Path(dst).expanduser()
    request = urllib.request.Request(url, headers={"User-Agent": "kuai.hub"})
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(request) as source:
            found = _copy(source, file, progress)
        if hash_prefix and not found.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has its own name by now
            os.unlink(part)


def _copy(source: Any, file: Any, progress: bool) -> str:
    """Copy all that comes; returns its SHA-256."""
    size = int(source.headers.get("Content-Length") or 0)
    checksum = hashlib.sha256()
    with tqdm(total=size, disable=not progress, unit="B") as bar:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            checksum.update(chunk)
            bar.update(len(chunk))
    return checksum.hexdigest()


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """Load a file of tensors from a URL, or from `model_dir` if it has been downloaded before.

    Args:
        model_dir: by default `checkpoints` in `get_dir()`.
        check_hash: whether the name has a checksum, `name-f37072fd.pth`, to be compared.

    Differs from PyTorch: `weights_only` is always True; nothing in a file is ever run.
    """
    folder = pathlib.Path(model_dir or os.path.join(get_dir(), "checkpoints"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file_name or os.path.basename(urlparse(url).path))
    if not path.exists():
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(path.name) if check_hash else None
        download_url_to_file(url, str(path), found[1] if found else None, progress=progress)
    if zipfile.is_zipfile(path) and _is_zipped_file(path):
        path = _unzipped(path)
    return _load_file(path, map_location=map_location)


def _is_zipped_file(path: pathlib.Path) -> bool:
    """Whether it is one file in an archive, as PyTorch's oldest downloads are."""
    with zipfile.ZipFile(path) as archive:
        return len(archive.infolist()) == 1


def _unzipped(path: pathlib.Path) -> pathlib.Path:
    with zipfile.ZipFile(path) as archive:
        return pathlib.Path(archive.extract(archive.infolist()[0], path.parent))


# Folders with a `hubconf.py` ----------------------------------------------------------------------


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
    verbose: bool = True,
) -> Any:
    """The models that a folder's `hubconf.py` offers."""
    module = _hubconf(github, "local" if os.path.isdir(github) else "github")
    return [n for n, f in vars(module).items() if callable(f) and not n.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
) -> str | None:
    """The docstring of one of them."""
    module = _hubconf(github, "local" if os.path.isdir(github) else "github")
    return _entry(module, model).__doc__


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Make a model with a function of a folder's `hubconf.py`.

    Args:
        repo_or_dir: the folder; a repository has to be cloned first.
        model: the name of the function; it is called with `args` and `kwargs`.
        source: "local".
    """
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def _entry(module: Any, model: str) -> Any:
    function = getattr(module, model, None)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return function


def _hubconf(folder: str, source: str) -> Any:
    if source == "github":
        raise UnavailableError(
            f"kuai.hub.load of the repository {folder!r}",
            "code of a stranger's would be downloaded and run",
            "Clone the repository, look at it, and use source='local' with its folder",
        )
    path = os.path.join(os.path.expanduser(folder), "hubconf.py")
    spec = importlib.util.spec_from_file_location("hubconf", path)
    if not os.path.isfile(path) or spec is None or spec.loader is None:
        raise FileNotFoundError(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(path))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(os.path.dirname(path))
    return module


class tqdm:
    """A bar on the error stream, where that is a terminal; the little of tqdm that is used here."""

    def __init__(self, iterable=None, total=None, disable=False, unit="it", **options):
        self.iterable, self.unit, self.n = iterable, unit, 0
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self.total = total
        self.disable = disable or not sys.stderr.isatty()

    def __iter__(self):
        for item in self.iterable or ():
            yield item
            self.update(1)
        self.close()

    def update(self, n=1):
        """Note that `n` more are done."""
        self.n += n
        if not self.disable:
            share = f" ({100 * self.n / self.total:.0f}%)" if self.total else ""
            sys.stderr.write(f"\r{self.n:,} {self.unit}{share}")
            sys.stderr.flush()

    def close(self):
        """End the line."""
        if not self.disable:
            sys.stderr.write("\n")
        self.disable = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
