"""Rules of primitives that hold programs, and of random numbers."""

import numpy as np

from kuai.engine.tiers.pieces import HASHED_FROM, erf_inv, hashed, threefry
from kuai.engine.tiers.rules import NotInterpretable, in_float32, rule

__all__ = []


@rule("platform_index")
def _platform_index(equation):
    for number, platforms in enumerate(equation.params["platforms"]):
        if platforms is None or "cpu" in platforms:
            found = np.array(number, equation.outputs[0].dtype)
            return lambda: found
    raise NotInterpretable


@rule("cond")
def _cond(equation):
    branches = [equation.lower(branch) for branch in equation.params["branches"]]
    last = len(branches) - 1

    def cond(index, *arrays):
        return tuple(branches[min(max(int(index), 0), last)](*arrays))

    return cond


_LONGEST = 64  # steps


@rule("scan")
def _scan(equation):
    params = equation.params
    consts, carries, length = params["num_consts"], params["num_carry"], params["length"]
    if length > _LONGEST:
        raise NotInterpretable  # compiled loops are hundreds of times as fast
    body = equation.lower(params["jaxpr"])
    stacked = equation.outputs[carries:]
    steps = range(length)[::-1] if params["reverse"] else range(length)

    def scan(*arrays):
        fixed, carry = arrays[:consts], list(arrays[consts : consts + carries])
        rows = arrays[consts + carries :]
        made = [np.empty(each.shape, each.dtype) for each in stacked]
        for step in steps:
            found = body(*fixed, *carry, *[row[step] for row in rows])
            carry = found[:carries]
            for array, part in zip(made, found[carries:], strict=True):
                array[step] = part
        return (*carry, *made)

    return scan


# Random numbers -----------------------------------------------------------------------------------


@rule("threefry2x32")
def _threefry2x32(equation):
    return threefry


@rule("random_wrap", "random_unwrap", "random_clone")
def _key_words(equation):
    return lambda words: words


@rule("random_fold_in")
def _random_fold_in(equation):
    if len(equation.inputs[0].shape) != 1 or equation.inputs[1].shape:
        raise NotInterpretable  # many keys at once

    def fold_in(words, data):
        data = np.asarray(data).astype(np.uint32)
        return np.array(threefry(words[0], words[1], np.uint32(0), data[()]), np.uint32)

    return fold_in


@rule("random_bits")
def _random_bits(equation):
    shape, kind = equation.outputs[0]
    if len(equation.inputs[0].shape) != 1:
        raise NotInterpretable
    count = equation.outputs[0].size
    is_small = count < HASHED_FROM
    flat = np.arange(count if is_small else 0, dtype=np.uint64).reshape(shape if is_small else 0)
    high, low = (flat >> np.uint64(32)).astype(np.uint32), flat.astype(np.uint32)

    def random_bits(words):
        if is_small:
            one, other = threefry(words[0], words[1], high, low)
        else:
            one, other = hashed(words, count).reshape(2, *shape)
        if kind.itemsize == 8:
            return (one.astype(np.uint64) << np.uint64(32)) | other.astype(np.uint64)
        return (one ^ other).astype(kind, copy=False)

    return random_bits


@rule("random_split")
def _random_split(equation):
    shape = equation.params["shape"]
    if len(equation.inputs[0].shape) != 1:
        raise NotInterpretable
    flat = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64).reshape(shape)
    high, low = (flat >> np.uint64(32)).astype(np.uint32), flat.astype(np.uint32)
    return lambda words: np.stack(threefry(words[0], words[1], high, low), axis=-1)


@rule("erf_inv")
def _erf_inv(equation):
    return in_float32(erf_inv, equation)
