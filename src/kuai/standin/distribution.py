"""`importlib.metadata` finds an installed `torch` of the version that Kuai follows.

Packages ask for it before they use PyTorch: transformers, accelerate and many others look up the
version of the distribution `torch` and do without it where there is none.
"""

import importlib.metadata
import pathlib
import re
from collections.abc import Iterable

from kuai import version

__all__ = ["DistributionFinder", "TorchDistribution"]

_FILES = {
    "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version.__version__}\n"
    "Summary: Kuai, which stands in for PyTorch in this process\n",
    "top_level.txt": "torch\n",
    "INSTALLER": "kuai\n",
}


class TorchDistribution(importlib.metadata.Distribution):
    """The distribution `torch` as packages see it."""

    def read_text(self, filename) -> str | None:
        """One of the files that describe a distribution."""
        return _FILES.get(str(filename))

    def locate_file(self, path) -> pathlib.Path:
        """Where a file of the distribution would lie."""
        return pathlib.Path(__file__).parent.parent / path


class DistributionFinder:
    """The part of a finder that `importlib.metadata` asks."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        """No module is found here."""
        return None

    @staticmethod
    def find_distributions(
        context: importlib.metadata.DistributionFinder.Context,
    ) -> Iterable[importlib.metadata.Distribution]:
        """`torch`, where it or everything is asked for."""
        name = context.name
        if name is None or re.sub("[-_.]+", "-", name).lower() == "torch":
            return [TorchDistribution()]
        return []
