"""Small blocks for the tests, made from either library's Module, Parameter and tensors."""

import functools


@functools.cache
def blocks(lib):
    """A namespace of test blocks built on `lib` (torch or kuai)."""

    class Scale(lib.nn.Module):
        """x * weight + shift, with a buffer that counts the calls."""

        def __init__(self, size=2):
            super().__init__()
            self.size = size
            self.weight = lib.nn.Parameter(lib.ones(size) * 2)
            self.register_parameter("shift", None)
            self.register_buffer("calls", lib.zeros(1))
            self.register_buffer("scratch", lib.zeros(1), persistent=False)

        def forward(self, x, times=1):
            return x * self.weight * times

        def extra_repr(self):
            return f"size={self.size}"

    class Pair(lib.nn.Module):
        """Two blocks, one after the other."""

        def __init__(self, first=None, second=None):
            super().__init__()
            self.first = Scale() if first is None else first
            self.second = Scale() if second is None else second

        def forward(self, x):
            return self.second(self.first(x))

    class Net(lib.nn.Module):
        """A tied weight, a shared block and a nested pair."""

        def __init__(self):
            super().__init__()
            self.one = Scale()
            self.again = self.one
            self.pair = Pair()
            self.pair.second.weight = self.one.weight
            self.missing = None

        def forward(self, x):
            return self.pair(self.again(self.one(x)))

    class Namespace:
        pass

    made = Namespace()
    made.Scale, made.Pair, made.Net = Scale, Pair, Net
    return made
