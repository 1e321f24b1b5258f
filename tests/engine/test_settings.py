"""The folder of compiled programs: whose it is, and what is done with a damaged one."""

import os
import pathlib
import subprocess
import sys

import pytest
from jax._src import compilation_cache

from kuai.engine import cache_entries, settings

SOURCE = pathlib.Path(__file__).parents[2] / "src"
COMPUTE = "import kuai; kuai.compile(lambda x: x.sin().sum())(kuai.ones(3)).item()"


def python(code: str, folder=None, without=()) -> str:
    """What a new process prints as errors; it has to end well."""
    environment = {key: text for key, text in os.environ.items() if key not in without}
    environment |= {"PYTHONPATH": str(SOURCE)}
    environment |= {} if folder is None else {"KUAI_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_without_a_home():
    code = "import pwd\ndef none(number): raise KeyError(number)\npwd.getpwuid = none\n" + COMPUTE
    homes = ("HOME", "XDG_CACHE_HOME", "KUAI_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")
    assert python(code, without=homes) == ""


def test_a_damaged_cache_is_mended(tmp_path):
    folder = tmp_path / "cache"
    assert python(COMPUTE, folder) == ""
    entries = sorted(folder.glob("*-cache"))
    assert entries and folder.stat().st_mode & 0o777 == 0o700
    for entry in entries:
        entry.write_bytes(b"damaged")
    assert "Error reading persistent compilation cache entry" in python(COMPUTE, folder)
    assert python(COMPUTE, folder) == ""
    assert all(entry.read_bytes() != b"damaged" for entry in entries)


def test_an_entry_appears_when_it_is_whole(tmp_path, monkeypatch):
    """A process that starts while another one writes must not read half of an entry."""
    seen = []
    real = os.replace

    def replace(source, target):
        seen.append((pathlib.Path(source).read_bytes(), pathlib.Path(target).exists()))
        real(source, target)

    monkeypatch.setattr(cache_entries.os, "replace", replace)
    cache = cache_entries._with_whole_entries(compilation_cache.LRUCache)(
        str(tmp_path / "cache"), max_size=-1
    )
    cache.put("key", b"program")
    cache.put("key", b"of somebody who was later")
    assert seen == [(b"program", False)]
    assert cache.get("key") == b"program" and cache.get("other") is None
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key-cache"]


def test_an_entry_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError("no space left")

    monkeypatch.setattr(cache_entries.os, "replace", full)
    cache = cache_entries._with_whole_entries(compilation_cache.LRUCache)(
        str(tmp_path), max_size=-1
    )
    with pytest.raises(OSError, match="no space left"):
        cache.put("key", b"program")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_a_cache_that_others_may_write_to(tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(settings.jax.config, "update", lambda *pair: used.append(pair))
    monkeypatch.setattr(settings, "keep_entries_whole", lambda folder: None)
    folder = tmp_path / "above" / "cache"
    for above, mode in [(0o700, 0o777), (0o700, 0o770), (0o777, 0o700)]:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        folder.parent.chmod(above)
        with pytest.warns(UserWarning, match=r"does not use .*others may write to it.*chmod go-w"):
            settings._use_cache(folder)
        assert not used
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.warns(UserWarning, match="does not use"):
        settings._use_cache(link)
    folder.parent.chmod(0o1777)  # as /tmp: nobody may put another folder in the place of this one
    settings._use_cache(folder)
    assert ("jax_compilation_cache_dir", str(folder.resolve())) in used


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners there")
def test_a_cache_of_somebody_else(tmp_path, monkeypatch):
    monkeypatch.setattr(settings.os, "getuid", lambda: 12345 if os.geteuid() else os.geteuid())
    (tmp_path / "cache").mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(tmp_path / "cache", 12345, 12345)
    with pytest.warns(UserWarning, match="is not your own"):
        settings._use_cache(tmp_path / "cache")
