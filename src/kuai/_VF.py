"""`kuai._VF`: PyTorch's functions under another name, as `nn.functional` of PyTorch calls them.

Example:
    >>> kuai._VF.norm(kuai.ones(4))
    tensor(2.)
"""

from typing import Any

import kuai

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(kuai, name)
