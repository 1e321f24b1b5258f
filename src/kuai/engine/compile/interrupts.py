"""Interrupts: an exception from outside, such as a `KeyboardInterrupt`, never loses what is held.

Python raises it between any two of its instructions. A program that writes into the memory of its
inputs has taken the old values away when it returns, and the new ones are not in their places yet:
what is raised between the two would leave parameters without either. So the results are caught by
code that runs in C throughout, where nothing is raised, and are put into their places in any case.
"""

import collections
import contextlib
import itertools
import signal

__all__ = ["deferred", "finished", "unbroken"]


def unbroken(function, arguments, finish) -> None:
    """Call a function that is written in C, and `finish` with what it gives.

    An exception from outside is raised before the function is called, or after `finish` has ended.

    Args:
        finish: may be called again, with the same results, where it was interrupted.
    """
    caught: list = []
    try:
        # one expression without a step of Python's in between
        collections.deque(map(caught.append, itertools.starmap(function, (arguments,))), 0)
        finish(caught[0])
    except BaseException:
        if caught:
            finished(finish, caught[0])
        raise


def finished(function, *arguments):
    """Call a function again where it is interrupted; the interrupt is raised afterwards.

    Args:
        function: may be called again where it has come half-way.
    """
    interrupt = None
    while True:
        try:
            result = function(*arguments)
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt
    return result


@contextlib.contextmanager
def deferred():
    """A block that Ctrl-C does not interrupt: it is heard of at the end.

    For what is done once and takes long as a whole, such as a program's first run, in which JAX's
    own Python hands on the results. In other threads than the main one nothing is raised anyway.
    """
    came: list = []
    before = signal.getsignal(signal.SIGINT)
    try:
        if callable(before):
            signal.signal(signal.SIGINT, lambda *received: came.append(received))
    except ValueError:  # not the main thread
        before = None
    try:
        yield
    finally:
        if callable(before):
            signal.signal(signal.SIGINT, before)
    if callable(before) and came:
        before(*came[-1])
