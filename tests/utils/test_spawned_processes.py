"""`multiprocessing.spawn.ProcessContext`: waiting for processes whose ends are heard of late."""

import os

import pytest

from kuai.multiprocessing.spawn import ProcessContext, ProcessExitedException


class Ended:
    """A process that has closed what it had, and whose status comes when it is joined."""

    pid = 1

    def __init__(self, status):
        self.sentinel, other = os.pipe()
        os.close(other)
        self.exitcode, self.status = None, status

    def join(self, timeout=None):
        if self.exitcode is None:
            os.close(self.sentinel)
        self.exitcode = self.status

    def is_alive(self):
        return self.exitcode is None

    def terminate(self):
        self.status = -15


class Running(Ended):
    """One that runs until it is killed."""

    def __init__(self):
        super().__init__(0)
        os.close(self.sentinel)
        self.sentinel, self._other = os.pipe()

    def join(self, timeout=None):
        if timeout is None and self.exitcode is None:
            os.close(self._other)
            super().join()

    def terminate(self):
        """It goes on."""

    def kill(self):
        self.status = -9


def test_a_status_that_comes_late(tmp_path):
    path = tmp_path / "error"
    path.write_bytes(b"")
    with pytest.raises(ProcessExitedException, match="exit code 1"):
        ProcessContext([Ended(1)], [str(path)]).join()
    assert ProcessContext([Ended(0), Ended(0)], []).join()
    context = ProcessContext([Ended(0), Ended(0)], [])
    assert context.join(timeout=1) and context.join()


def test_those_that_do_not_end_by_themselves_are_killed(tmp_path):
    path = tmp_path / "error"
    path.write_bytes(b"")
    running = Running()
    with pytest.raises(ProcessExitedException, match="exit code 3"):
        ProcessContext([running, Ended(3)], [str(path)] * 2).join(grace_period=0.1)
    assert running.exitcode == -9
