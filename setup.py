"""Builds what is not Python, where that is possible; pyproject.toml has all else.

The comparisons of replayed calls need a C compiler. The C++ kernels need the headers of oneDNN and
those of XLA's foreign function interface as well, which come with jaxlib. Without any of these the
package is installed without them: Python compares, and XLA computes everything (see
`kuai.ops.native.library`). Where that would hide a mistake, as in the project's own checks,
`KUAI_KERNELS=required` in the environment makes it an error. Kernels work with any jaxlib that is
not older than the headers they were built with, which is why pyproject.toml asks for old ones.
"""

import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import sys

from setuptools import Extension, setup

REQUIRED = os.environ.get("KUAI_KERNELS") == "required"
FOLDER = "src/kuai/ops/native"
SOURCES = (
    "allocations", "convolution", "convolution_epilogue", "lstm", "memory", "product"
)  # fmt: skip

# Loops become vector instructions where no exception of floating point numbers is lost by that;
# nothing looks at them. OpenMP is what oneDNN shares work out with.
VECTORIZED = [
    "-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-mprefer-vector-width=512"
]  # fmt: skip


def header_folders() -> list[pathlib.Path]:
    """The include folders of oneDNN and jaxlib, as far as they are installed."""
    found = []
    try:
        files = importlib.metadata.files("onednn-devel-cpu-gomp") or ()
        found += [f.locate().resolve().parents[2] for f in files if f.match("oneapi/dnnl/dnnl.hpp")]
    except importlib.metadata.PackageNotFoundError:
        pass  # a platform that oneDNN's package is not made for
    jaxlib = importlib.util.find_spec("jaxlib")
    if jaxlib is not None:
        found += [pathlib.Path(folder, "include") for folder in jaxlib.submodule_search_locations]
    return found


def kernels() -> list[Extension]:
    """The kernels, or nothing where they cannot be built and need not be."""
    folders = header_folders()
    on_linux = sys.platform == "linux" and platform.machine() == "x86_64"
    if not on_linux or len(folders) < 2:
        if REQUIRED:
            sys.exit("The kernels are required, which takes Linux on x86-64 and all headers.")
        return []
    includes = [argument for folder in folders for argument in ("-isystem", str(folder))]
    return [
        Extension(
            "kuai.ops.native._kernels",
            [f"{FOLDER}/{name}.cc" for name in SOURCES],
            depends=[f"{FOLDER}/{name}.h" for name in ("convolution_plans", "imports", "worker")],
            extra_compile_args=["-std=c++17", "-g0", *VECTORIZED, *includes],
            library_dirs=[str(folders[0].parent / "lib")],
            extra_link_args=["-l:libdnnl.so.3", "-pthread", "-fopenmp"],
            optional=not REQUIRED,
        )
    ]


def loops(name: str, sources: list[str]) -> Extension:
    """The loops of a module that compiled calls go through many times, `kuai.engine.compile.<name>`
    in C."""
    folder = "src/kuai/engine/compile/native"
    return Extension(
        f"kuai.engine.compile._{name}",
        [f"{folder}/{source}.c" for source in sources],
        depends=[f"{folder}/objects.h"],
        extra_compile_args=[] if sys.platform == "win32" else ["-O2", "-g0"],
        optional=not REQUIRED,
    )


RECORDING = ["module", "nodes", "operations", "placeholders", "steps"]
setup(ext_modules=[*kernels(), loops("comparing", ["comparing"]), loops("recording", RECORDING)])
