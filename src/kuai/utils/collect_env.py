"""`kuai.utils.collect_env`: what a report of a fault should say about the machine."""

import platform
import sys

import jax
import numpy as np

from kuai import version

__all__ = ["get_pretty_env_info", "main"]


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
