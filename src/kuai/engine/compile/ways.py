"""Ways: the programs of a function that asks for truth values while it runs.

`if loss > 3:` cannot be a part of a program, but a way through the function, with the answers it
gets, can. A way is found by running the function eagerly once, while its answers are written down;
at the next call it is captured with these answers. The program computes the answers as well and
reuses no memory, so that it can be run on the chance that it goes the same way: if it does not,
nothing is written, and another program, or the function itself, is run instead.

Not done for a function that mentions `print` and the like, which would speak only once.
"""

from kuai.engine.compile.signatures import rebuild
from kuai.engine.tensor import modes

__all__ = ["Ways"]

_MOST = 8  # ways, and calls in a row that went another way than any known


class Ways:
    """The ways of one compiled function for one kind of arguments."""

    def __init__(self):
        self.seen = None  # the answers of the last eager run, not captured yet
        self.looks = 0  # eager runs since a program was of use

    def __call__(self, compiled, key, tensors, form):
        programs = compiled.programs.setdefault(key, [])
        prefix = []
        for program in list(programs):
            if program.told[: len(prefix)] == prefix and program.stale(tensors) is None:
                found, done = program.attempt(tensors)
                if found == program.told:
                    self.looks = 0
                    programs.remove(program)
                    programs.insert(0, program)
                    return done
                prefix = _common(found, program.told)
        if self.seen is not None:
            way, self.seen = self.seen, None
            program = compiled._capture(key, tensors, form, "another way", way)
            if program is not None:
                found, done = program.attempt(tensors)
                if found == program.told:
                    return done
        return self.look(compiled, key, tensors, form)

    def look(self, compiled, key, tensors, form):
        """Run the function eagerly and write down which way it goes."""
        self.looks += 1
        if self.looks > _MOST:
            compiled._give_up(key, "it goes another way at almost every call")
        args, kwargs = rebuild(form, tensors)
        modes.state.answers = answers = []
        try:
            result = compiled.function(*args, **kwargs)
        finally:
            modes.state.answers = None
        self.seen = tuple(answers)
        return result


def _common(found, told):
    """The answers up to the first that was not expected, which is known now as well."""
    for number, (one, other) in enumerate(zip(found, told, strict=True)):
        if one != other:
            return found[: number + 1]
    return found
