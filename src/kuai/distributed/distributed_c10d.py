"""PyTorch's file of groups and exchanges."""

from kuai.distributed import *  # noqa: F403 - the same names
from kuai.distributed.group import check as _get_default_group  # noqa: F401 - packages use it
