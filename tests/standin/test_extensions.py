"""What a package hears whose compiled part needs the real PyTorch."""

import importlib.machinery
import sys

import pytest

from kuai.errors import StandInError, UnavailableError
from kuai.standin import refused_paths
from kuai.standin.extensions import ExtensionFinder, explained

LINKER = [
    "libtorch_cpu.so: cannot open shared object file: No such file or directory",
    "libc10.so: cannot open shared object file: No such file or directory",
    "/x/_C.so: undefined symbol: _ZN3c1021throwNullDataPtrErrorEv",
    "dlopen(_C.so, 0x0002): Library not loaded: @rpath/libtorch_python.dylib",
    "DLL load failed while importing _C: torch_cpu.dll was not found",
]


@pytest.mark.parametrize("text", LINKER)
def test_the_package_is_named(text):
    error = explained("fast_ops._C", ImportError(text))
    assert isinstance(error, StandInError)
    assert str(error).startswith("The package 'fast_ops' has a compiled part, fast_ops._C: ")


@pytest.mark.parametrize("text", ["libcuda.so.1: cannot open", "No module named 'numpy'", ""])
def test_other_errors_stay_what_they_are(text):
    assert explained("fast_ops._C", ImportError(text)) is None


def test_a_compiled_module_that_cannot_be_loaded(tmp_path, monkeypatch):
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (tmp_path / f"broken{suffix}").write_bytes(b"no library at all")
    monkeypatch.syspath_prepend(tmp_path)
    spec = ExtensionFinder().find_spec("broken")
    with pytest.raises(ImportError) as caught:
        spec.loader.create_module(spec)
    assert not isinstance(caught.value, StandInError)  # PyTorch is not why
    assert ExtensionFinder().find_spec("json") is None
    assert "broken" not in sys.modules


def test_refused_paths_raise_at_use():
    module = refused_paths.module_of("torch.distributed.run")
    with pytest.raises(UnavailableError, match="kuai run"):
        module.main()
    assert not hasattr(module, "anything_else")
    errors = refused_paths.module_of("torch.distributed.elastic.multiprocessing.errors")
    assert errors.record(len) is len  # what a script's `main` is decorated with
    assert refused_paths.module_of("torch.nowhere") is None
