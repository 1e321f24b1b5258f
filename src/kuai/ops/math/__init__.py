"""Mathematics: operations on numbers, from sums to factorizations."""

from kuai.engine.late import late

#: Modules that are loaded when they are first asked for.
__getattr__, __dir__ = late("kuai.ops.math", ("equations",), {})
