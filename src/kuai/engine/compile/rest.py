"""Rest: a function that needs a new program at every call runs as it is for a while."""

import warnings

__all__ = ["Rest"]

_MOST_NEW = 8  # calls in a row that needed a new program
_FIRST_REST = 32  # calls


class Rest:
    """Whether a function that needs a new program at every call runs as it is for a while."""

    def __init__(self, name):
        self.name = name
        self.new_in_a_row = 0
        self.left = 0  # calls until it is tried again
        self.length = _FIRST_REST

    def is_on(self, fullgraph) -> bool:
        """Whether this call is to run as it is."""
        if not self.left or fullgraph:
            return False
        self.left -= 1
        return True

    def note(self, recorder) -> None:
        """Take note of a recorded call."""
        if not recorder.new_programs:
            self.new_in_a_row, self.length = 0, _FIRST_REST
            return
        self.new_in_a_row += 1
        if self.new_in_a_row < _MOST_NEW:
            return
        if self.length == _FIRST_REST:
            warnings.warn(
                f"{self.name} needed a new program at each of its last {_MOST_NEW} calls: shapes "
                "or constants keep changing. It runs operation by operation for a while, and is "
                "tried again later. Pass what changes as a tensor of one shape; for batches of "
                "many sizes there is dynamic_batch=.",
                stacklevel=4,
            )
        self.left = self.length
        self.length *= 2
        self.new_in_a_row = _MOST_NEW - 2  # one more chance, later
