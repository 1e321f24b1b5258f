"""What Kuai sets in JAX when it is imported, and the environment variables that change it.

* 64-bit types are switched on, because PyTorch has them; Kuai always says the dtype it wants.
* JAX's on-disk compilation cache is switched on with no lower limit, because an eager operation is
  a small program whose compilation costs far more than loading it. The folder is private to the
  user (a cache holds machine code, so only its owner may write to it).
* Before compiled programs use up the process's memory mappings, JAX is told to forget them (see
  `executables`).

`KUAI_CACHE=0` leaves the cache off; `KUAI_CACHE_DIR` moves it; a folder that was already given to
JAX (`JAX_COMPILATION_CACHE_DIR`) is left as it is. `KUAI_COMPILE=0` makes `kuai.compile` do
nothing.
"""

import os
import pathlib

import jax

from kuai.engine import executables

__all__ = ["apply", "compile_enabled"]


def compile_enabled() -> bool:
    """Whether `kuai.compile` compiles; `KUAI_COMPILE=0` in the environment turns it off."""
    return os.environ.get("KUAI_COMPILE", "1") != "0"


def apply() -> None:
    """Set JAX's switches; called once, when `kuai` is imported."""
    jax.config.update("jax_enable_x64", True)
    executables.watch()
    if os.environ.get("KUAI_CACHE", "1") != "0" and not jax.config.jax_compilation_cache_dir:
        _use_cache(_cache_folder())


def _cache_folder() -> pathlib.Path:
    chosen = os.environ.get("KUAI_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "kuai"


def _use_cache(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home: every program is compiled anew, which is slower but right
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
