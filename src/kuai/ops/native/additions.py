"""What the native library has put into compiled programs; importing this puts it there."""

from kuai.engine import executables
from kuai.engine.compile import additions
from kuai.ops.native import channels_last, epilogues, memory, products

__all__ = ["NativeAdditions"]


class NativeAdditions(additions.Additions):
    """Kept values, channels last, what convolutions compute beside, and products of bfloat16."""

    channels_last = channels_last.NAMES

    def deferring(self):
        return epilogues.Deferring()

    def kept(self, equations):
        return memory.kept(equations)

    def keep(self, array):
        return memory.keep(array)

    def computes(self, equation):
        return products.computes(equation)

    def results(self, equation, arrays):
        if products.computes(equation):
            return [products.product(equation, *arrays)]
        return super().results(equation, arrays)


additions.use(NativeAdditions())
executables.at_first_large(memory.prepare)
