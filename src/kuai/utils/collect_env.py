"""`kuai.utils.collect_env`: what a report of a fault should say about the machine."""

import importlib.metadata
import platform
import sys
from typing import NamedTuple

import jax
import numpy as np

from kuai import version

__all__ = ["SystemEnv", "get_env_info", "get_pretty_env_info", "main", "pretty_str"]

_PACKAGES = ("jax", "jaxlib", "kuai-nn", "numpy", "optax", "safetensors")


class SystemEnv(NamedTuple):
    """What `get_env_info` finds, under PyTorch's names; what does not exist here is "N/A"."""

    torch_version: str
    is_debug_build: str
    cuda_compiled_version: str
    gcc_version: str
    clang_version: str
    cmake_version: str
    os: str
    libc_version: str
    python_version: str
    python_platform: str
    is_cuda_available: str
    cuda_runtime_version: str
    cuda_module_loading: str
    nvidia_driver_version: str
    nvidia_gpu_models: str
    cudnn_version: str
    is_xpu_available: str
    pip_version: str
    pip_packages: str
    conda_packages: str
    hip_compiled_version: str
    hip_runtime_version: str
    miopen_runtime_version: str
    caching_allocator_config: str
    is_xnnpack_available: str
    cpu_info: str


def get_env_info() -> SystemEnv:
    """What is known about the machine and the packages that count here.

    Example:
        >>> kuai.utils.collect_env.get_env_info().torch_version
        '2.13.0'
    """
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    known = {
        "torch_version": str(version.__version__),
        "is_debug_build": "False",
        "os": platform.system(),
        "libc_version": "-".join(platform.libc_ver()) or "N/A",
        "python_version": sys.version.replace("\n", " "),
        "python_platform": platform.platform(),
        "is_cuda_available": str(bool(gpus)),
        "nvidia_gpu_models": "\n".join(device.device_kind for device in gpus) or "N/A",
        "is_xpu_available": "False",
        "pip_version": "pip",
        "pip_packages": "\n".join(filter(None, map(_installed, _PACKAGES))),
        "is_xnnpack_available": "False",
        "cpu_info": platform.processor() or platform.machine(),
    }
    return SystemEnv(*(known.get(name, "N/A") for name in SystemEnv._fields))


def _installed(name: str) -> str | None:
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def pretty_str(envinfo: SystemEnv) -> str:
    """What is known, a line each."""
    lines = (f"{name}: {value}" for name, value in envinfo._asdict().items() if value != "N/A")
    return "\n".join(lines)


def get_pretty_env_info() -> str:
    """Versions and devices, a line each.

    Example:
        >>> kuai.utils.collect_env.get_pretty_env_info().splitlines()[0]
        'Kuai 0.1.0, following PyTorch 2.13.0'
    """
    devices = ", ".join(str(device) for device in jax.devices())
    return (
        f"Kuai {version.kuai}, following PyTorch {version.__version__}\n"
        f"JAX {jax.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}\n"
        f"{platform.platform()}\ndevices: {devices}"
    )


def main() -> None:
    """Print it."""
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
