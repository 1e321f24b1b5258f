"""One entry of PyTorch's table through both: values, gradients, variants and errors.

A check is a name such as `float32`, `gradients`, `method`, `in-place`, `out` or `errors`; what it
finds is a text, the first fault of its kind.
"""

import contextlib
import itertools
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import kuai
from tests.conformance import left_out, translating
from tests.conformance.comparing import difference

DTYPES = ("float32", "float64", "bfloat16", "int64", "bool", "complex64")


def name_of(entry: Any) -> str:
    """`softmax (with_dtype)`: an entry's name and that of its variant."""
    return entry.name + (f" ({entry.variant_test_name})" if entry.variant_test_name else "")


def faults(entry: Any, samples: int | None = None, dtypes=DTYPES, variants=True) -> dict[str, str]:
    """The first fault of each check of an entry; empty if everything agrees.

    Args:
        entry: an `OpInfo`.
        samples: how many samples of a dtype to run; None runs them all.
        variants: whether to run methods, in-place and `out=` variants and errors, too.
    """
    found: dict[str, str] = {}
    listed = {str(dtype).removeprefix("torch.") for dtype in entry.supported_dtypes("cpu")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in (dtype for dtype in dtypes if dtype in listed):
            for number, sample in enumerate(samples_of(entry, dtype, samples)):
                for check, fault in _of_sample(entry, sample, dtype, variants):
                    found.setdefault(check, f"sample {number}: {fault}")
        if variants:
            found.update(_of_errors(entry))
    name = name_of(entry)
    return {c: fault for c, fault in found.items() if left_out.meant(name, c) is None}


def samples_of(entry, dtype, count, requires_grad=None) -> Iterator[Any]:
    """The first samples of a dtype; all of them where `count` is None."""
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    if requires_grad is None:
        requires_grad = dtype in ("float32", "complex64")
    can = entry.supports_autograd and (kind.is_floating_point or kind.is_complex)
    made = entry.sample_inputs("cpu", kind, requires_grad=requires_grad and can)
    return itertools.islice(made, count)


def spread(entry, dtypes, count, requires_grad=None, fits=None) -> Iterator[tuple[str, int, Any]]:
    """Some samples of each dtype that is listed, from all over the table's first 200 of them.

    Args:
        fits: which of them count.
    """
    listed = {str(dtype).removeprefix("torch.") for dtype in entry.supported_dtypes("cpu")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in (dtype for dtype in dtypes if dtype in listed):
            every = enumerate(samples_of(entry, dtype, 200, requires_grad))
            right = [each for each in every if fits is None or fits(each[1])]
            step = max(-(-len(right) // count) if count else 1, 1)
            for number, sample in right[step // 2 :: step]:
                yield dtype, number, sample


def _of_sample(entry, sample, dtype, variants) -> Iterator[tuple[str, str]]:
    try:
        theirs = _call(entry.op, sample)
        is_random = _is_random(entry, sample, theirs)
    except Exception:  # noqa: BLE001 (PyTorch's tests expect some of its samples to fail)
        return
    fault = guarded(lambda: _values(entry.op, sample, theirs, is_random))
    if fault is not None:
        yield dtype, fault
        return
    if dtype in ("float32", "complex64") and entry.supports_autograd and not is_random:
        fault = guarded(lambda: _gradients(entry, sample))
        if fault is not None:
            yield f"gradients {dtype}", fault
    if variants and dtype == "float32" and not is_random:
        yield from _of_variants(entry, sample, theirs)


def guarded(check) -> str | None:
    """A check's fault; an exception of Kuai's is one."""
    try:
        return check()
    except translating.Missing as missing:
        return f"there is no {missing}"
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the fault)
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def _call(function, sample, **more):
    with torch.no_grad():
        return function(_copied(sample.input), *_copied(sample.args), **sample.kwargs, **more)


def _copied(value):
    """Fresh tensors, because some operations write to their arguments."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone() if value.is_contiguous() else value
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value


def _is_random(entry, sample, theirs) -> bool:
    names = getattr(getattr(entry.op, "__code__", None), "co_names", ())
    if entry.name.startswith(("empty", "new_empty")) or "wrapper_set_seed" in names:
        return True
    again = _call(entry.op, sample)
    return _different(again, theirs)


def _different(first, second) -> bool:
    if isinstance(first, torch.Tensor):
        return not np.array_equal(*map(translating.numbers, (first, second)), equal_nan=True)
    if isinstance(first, (list, tuple)):
        return any(map(_different, first, second))
    return first != second and first == first


# Values and gradients -----------------------------------------------------------------------------


def arguments(sample):
    memo: dict = {}
    parts = (sample.input, sample.args, sample.kwargs)
    return [translating.to_kuai(part, memo) for part in parts], memo


def _values(function, sample, theirs, is_random=False, **more):
    ours = translating.function(function)
    (first, rest, keywords), _ = arguments(sample)
    with kuai.no_grad():
        result = ours(first, *rest, **keywords, **more)
    finish = sample.output_process_fn_grad
    name = getattr(function, "__name__", "")
    mine = _chosen(name, translating.function(finish)(result), first, rest, keywords)
    yours = _chosen(name, finish(theirs), sample.input, sample.args, sample.kwargs)
    return difference(mine, yours, is_random)


def _chosen(name, result, input, arguments, keywords):
    """Elements instead of their places where PyTorch leaves open which of equal ones it names."""
    if name not in ("topk", "kthvalue", "sort", "argsort") or keywords.get("stable"):
        return result
    given = arguments if "sort" in name else arguments[1:]
    dim = keywords.get("dim", given[0] if given else -1)
    values, places = (None, result) if name == "argsort" else result
    if places.ndim < input.ndim:
        return values, input.gather(dim, places.unsqueeze(dim)).squeeze(dim)
    return values, input.gather(dim, places)


def _gradients(entry, sample) -> str | None:
    given = tensors((sample.input, sample.args, sample.kwargs))
    theirs = [t for t in given if t.requires_grad and not _is_cut_off(t)]
    if not theirs:
        return None
    wanted = _differentiated(
        torch, entry, entry.op, sample, sample.input, sample.args, sample.kwargs
    )
    if wanted is None:
        return None
    expected = torch.autograd.grad(wanted, theirs, allow_unused=True)
    (first, rest, keywords), memo = arguments(sample)
    ours = [memo[id(t)] for t in theirs]
    total = total_of(entry, sample)(first, rest, keywords)
    if total is None:
        return "the result does not require gradients"
    found = kuai.autograd.grad(total, ours, allow_unused=True)
    for number, (mine, yours) in enumerate(zip(found, expected, strict=True)):
        fault = _of_gradient(mine, yours)
        if fault:
            return f"of input {number}: {fault}"
    return None


def _is_cut_off(tensor) -> bool:
    """Whether it is a view made without gradients, which says of itself what its base says."""
    return tensor._is_view() and tensor.grad_fn is None and tensor._base.requires_grad


def _of_gradient(mine, yours):
    if yours is None or mine is None:
        given = mine if yours is None else yours
        is_zero = given is None or not bool((given != 0).any())
        return None if is_zero else f"{'none' if mine is None else 'some'} where the other differs"
    return difference(mine, yours, looser=10)


def total_of(entry, sample, t=kuai):
    """A function of a sample's arguments to one number, that all the outputs are part of."""
    function = entry.op if t is torch else translating.function(entry.op)
    return lambda *given: _differentiated(t, entry, function, sample, *given)


def _differentiated(t, entry, function, sample, first, rest, keywords):
    """A sum in which every element of every differentiable output has its own weight."""
    finish, wrapper = sample.output_process_fn_grad, entry.gradcheck_wrapper
    if "_masked_" in wrapper.__name__:  # it asks for helpers of PyTorch's that are not public
        wrapper = _masking(wrapper, entry, sample)
    elif t is not torch:
        wrapper = translating.function(wrapper)
    finish = finish if t is torch else translating.function(finish)
    results = finish(wrapper(function, first, *rest, **keywords))
    outputs = [output for output in tensors(results) if output.requires_grad]
    rng, total = np.random.default_rng(7), None
    for output in outputs:
        weights = t.tensor(rng.uniform(0.5, 1.5, tuple(output.shape)), dtype=output.dtype)
        weighted = (output * weights).sum()
        weighted = weighted.real if output.dtype.is_complex else weighted
        total = weighted if total is None else total + weighted
    return total


def _masking(wrapper, entry, sample):
    """A wrapper that replaces what a mask leaves without a value by 0, as PyTorch's own does."""
    shown = _shown_by_mask(entry, sample, "pointwise" in wrapper.__name__)

    def masked(function, *args, **kwargs):
        result = function(*args, **kwargs)
        if shown is None:
            return result
        mask = shown if isinstance(result, torch.Tensor) else translating.to_kuai(shown)
        return result.masked_fill(~mask, 0)

    return masked


def _shown_by_mask(entry, sample, pointwise):
    given = dict(sample.kwargs)
    if pointwise:
        masks = [given.pop("input_mask", None), given.pop("other_mask", None)]
        if any(mask is None for mask in masks):
            return None
        both = torch.logical_and(*masks)
        return torch.masked._input_mask(sample.input, *sample.args, **given, mask=both)
    if given.get("mask") is None:
        return None
    return torch.masked._output_mask(entry.op, sample.input, *sample.args, **given)


def tensors(value) -> Iterator[Any]:
    if hasattr(value, "requires_grad"):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


# Variants and errors ------------------------------------------------------------------------------


def _of_variants(entry, sample, theirs) -> Iterator[tuple[str, str]]:
    is_tensor = isinstance(sample.input, torch.Tensor)
    for check, variant in (("method", entry.method_variant), ("in-place", entry.inplace_variant)):
        if variant is not None and is_tensor:
            with contextlib.suppress(Exception):
                expected = _call(variant, sample)
                fault = guarded(lambda v=variant, e=expected: _values(v, sample, e))
                if fault is not None:
                    yield check, fault
    plain = isinstance(theirs, torch.Tensor) or type(theirs) is not list
    if entry.supports_out and plain and not sample.kwargs.get("out"):
        with contextlib.suppress(Exception):
            places = _places(theirs)
            _call(entry.op, sample, out=_places(theirs))
            fault = guarded(
                lambda: _values(entry.op, sample, theirs, out=translating.to_kuai(places))
            )
            if fault is not None:
                yield "out", fault


def _places(theirs):
    if isinstance(theirs, torch.Tensor):
        return torch.zeros_like(theirs)
    return tuple(map(_places, theirs))


def _of_errors(entry) -> dict[str, str]:
    if entry.error_inputs_func is None:
        return {}
    for number, wrong in enumerate(entry.error_inputs("cpu")):
        if not _raises(entry, wrong):
            continue
        fault = _of_error(entry, wrong)
        if fault is not None:
            return {"errors": f"error {number}: {fault}"}
    return {}


def _raises(entry, wrong) -> bool:
    """Whether PyTorch refuses it, says why, and NumPy can hold the tensors."""
    sample = wrong.sample_input
    given = tensors((sample.input, sample.args, sample.kwargs))
    if any(tensor.is_meta or tensor.ndim > 64 for tensor in given):
        return False
    if wrong.error_type is Exception and not wrong.error_regex:
        return False  # a number where PyTorch wants a tensor; Kuai takes it
    if "unsupported operation" in wrong.error_regex or "memory location" in wrong.error_regex:
        return False  # `out` that overlaps the input, which immutable arrays never do
    try:
        entry.op(sample.input, *sample.args, **sample.kwargs)
    except Exception:  # noqa: BLE001 (that it raises is the question)
        return True
    return False


def _of_error(entry, wrong) -> str | None:
    (first, rest, keywords), _ = arguments(wrong.sample_input)
    try:
        translating.function(entry.op)(first, *rest, **keywords)
    except translating.Missing as missing:
        return f"there is no {missing}"
    except Exception as error:  # noqa: BLE001 (it is compared)
        if not isinstance(error, wrong.error_type):
            return f"{type(error).__name__} instead of {wrong.error_type}: {error}"[:160]
        fits = re.search(wrong.error_regex, str(error))
        return None if fits else f"{str(error)!r} instead of {wrong.error_regex!r}"[:300]
    return f"no {wrong.error_type.__name__}: {wrong.error_regex}"[:160]
