"""`kuai.utils.benchmark`: how long a statement takes, measured so that two can be compared."""

from kuai.utils.benchmark.utils.common import Measurement, TaskSpec, select_unit
from kuai.utils.benchmark.utils.compare import Compare
from kuai.utils.benchmark.utils.timer import Language, Timer, timer

__all__ = [
    "Compare",
    "Language",
    "Measurement",
    "TaskSpec",
    "Timer",
    "select_unit",
    "timer",
]
