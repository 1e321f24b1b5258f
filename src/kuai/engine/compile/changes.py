"""Changes: plain values that a replay writes itself, such as those of a learning rate's schedule.

A method that changes nothing but these is called when the program's inputs have been fetched, and
before the program runs: where it raises, all is as it was, and the call is recorded instead, so
that the error comes where it stands in the code.
"""

import weakref

__all__ = ["Changes"]


class Changes:
    """The methods, in their order.

    Args:
        methods: (thing, name of its method).
        watch: knows which dictionaries they write.
    """

    def __init__(self, methods, watch):
        self._methods = [(weakref.ref(thing), name) for thing, name in methods]
        self._written = [mapping for mapping, _ in watch.changed.values()]
        self._before: list[dict] = []

    def __bool__(self):
        return bool(self._methods)

    def made(self) -> bool:
        """Make the changes; False if that raised something."""
        self._before = list(map(dict, self._written))
        try:
            for reference, name in self._methods:
                getattr(reference(), name)()
        except Exception:  # noqa: BLE001 - it is raised again where the call is recorded
            self.undo()
            return False
        return True

    def kept(self) -> None:
        """The call has come to its end: there is nothing to undo any more."""
        self._before = []

    def undo(self) -> None:
        """Have everything as it was before `made`, if that has begun."""
        if not self._before:
            return
        for mapping, before in zip(self._written, self._before, strict=True):
            mapping.clear()
            mapping.update(before)
