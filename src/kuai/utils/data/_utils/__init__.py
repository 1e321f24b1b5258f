"""PyTorch's folder of a loader's parts; packages import from it in spite of its name."""

import sys

from kuai.utils.data._utils import (
    collate as collate,
    fetch as fetch,
    pin_memory as pin_memory,
    signal_handling as signal_handling,
    worker as worker,
)

IS_WINDOWS = sys.platform == "win32"
HAS_NUMPY = True
MP_STATUS_CHECK_INTERVAL = 5.0  # seconds between looks at a worker that says nothing
python_exit_status = False  # Python's own modules can be used to the end
