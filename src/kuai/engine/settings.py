"""What Kuai sets in JAX when it is imported, and the environment variables that change it.

* 64-bit types are switched on, because PyTorch has them; Kuai always says the dtype it wants.
* JAX's on-disk compilation cache is switched on with no lower limit, because an eager operation is
  a small program whose compilation costs far more than loading it. A cache holds machine code, so
  a folder in which others may write is not used. Its entries are kept whole (`cache_entries`).
* Maxima and minima on a CPU are lowered so that nan stays, which XLA drops (`cpu_reductions`).
* Before compiled programs use up the process's memory mappings, JAX is told to forget them (see
  `executables`).

`KUAI_CACHE=0` leaves the cache off; `KUAI_CACHE_DIR` moves it; a folder that was already given to
JAX (`JAX_COMPILATION_CACHE_DIR`) is left as it is. `KUAI_COMPILE=0` makes `kuai.compile` do
nothing, `KUAI_REPLAY=0` has it run Python at every call; `KUAI_FUSED=1` puts the whole program into
`kuai.fused`; `KUAI_TIERS=0` has every operation compiled the first time.
"""

import os
import pathlib
import stat
import warnings

import jax

from kuai.engine import cpu_reductions, executables
from kuai.engine.cache_entries import keep_entries_whole

__all__ = ["apply", "compile_enabled", "fused", "replay_enabled", "tiers_enabled"]


def compile_enabled() -> bool:
    """Whether `kuai.compile` compiles; `KUAI_COMPILE=0` in the environment turns it off."""
    return os.environ.get("KUAI_COMPILE", "1") != "0"


def fused() -> bool:
    """Whether all operations are recorded; `KUAI_FUSED=1` in the environment turns it on."""
    return os.environ.get("KUAI_FUSED", "0") == "1"


def replay_enabled() -> bool:
    """Whether proven calls skip their Python; `KUAI_REPLAY=0` in the environment turns it off."""
    return os.environ.get("KUAI_REPLAY", "1") != "0"


def tiers_enabled() -> bool:
    """Whether operations are interpreted at first; `KUAI_TIERS=0` in the environment says no."""
    return os.environ.get("KUAI_TIERS", "1") != "0"


def apply() -> None:
    """Set JAX's switches; called once, when `kuai` is imported."""
    jax.config.update("jax_enable_x64", True)
    executables.watch()
    cpu_reductions.mend()
    if (
        os.environ.get("KUAI_CACHE", "1") != "0"
        and not jax.config.values["jax_compilation_cache_dir"]
    ):
        folder = _cache_folder()
        if folder is not None:
            _use_cache(folder)


def _cache_folder() -> pathlib.Path | None:
    chosen = os.environ.get("KUAI_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return pathlib.Path(home or pathlib.Path.home() / ".cache") / "kuai"
    except RuntimeError:
        return None  # neither HOME nor an entry in the list of users, as in some containers


def _others_may_write(folder: pathlib.Path) -> pathlib.Path | None:
    """The folder itself, or one above it in which somebody could put another in its place."""
    if os.name == "nt":
        return None  # a folder below the user's own is the user's own there
    found = folder.stat()
    if found.st_uid not in (0, os.getuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return folder
    for above in folder.parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return above
    return None


def _use_cache(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = folder.resolve()
        others = _others_may_write(where)
    except (OSError, RuntimeError):
        return  # a read-only home: every program is compiled anew, which is slower but right
    if others:
        warnings.warn(
            f"Kuai does not use the compilation cache {folder}: it holds machine code, and "
            f"{others} is not your own, or others may write to it. Use `chmod go-w {others}`, or "
            "choose another folder with KUAI_CACHE_DIR. Until then every program is compiled anew.",
            stacklevel=2,
        )
        return
    if not os.access(where, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(where))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    keep_entries_whole(where)
