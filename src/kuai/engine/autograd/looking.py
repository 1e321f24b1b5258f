"""What a node of an operation shows: `next_functions` and `_saved_self`, as PyTorch's would.

The tape itself is shorter: edges for what needs a gradient, inputs where the backward pass needs
them. What else PyTorch shows is found when somebody asks: a place without a gradient is
`(None, 0)`, a saved input is the input, a saved result is computed again.
"""

from kuai.engine.autograd.tape import AccumulateGrad, freed_error
from kuai.engine.tensor import Tensor, views, wrap
from kuai.engine.tensor.placeholder import resolved

__all__ = ["names_of_saved", "next_functions", "result", "saved"]

_OF_NUMBERS = {"AddBackward0", "SubBackward0", "MulBackward0", "DivBackward0"}
_OF_LAYERS = {"ConvolutionBackward0", "NativeLayerNormBackward0", "NativeBatchNormBackward0"}
_OF_LAYERS |= {"NativeGroupNormBackward0"}
_NEVER = {"index", "indices", "mask", "condition", "running_mean", "running_var", "weights"}
_BIAS_FIRST = {"AddmmBackward0"}


def next_functions(node) -> tuple:
    """A node and an output's number for each input that could have a gradient."""
    node.show_edges()
    if not hasattr(node.entry.operation, "described"):
        return tuple(node.edges)
    edges = dict(zip(node.entry.differentiable, node.edges, strict=True))
    shown = []
    for name, positions, constant in _arguments(node):
        shown += [edges.get(p, (None, 0)) for p in positions if _shows(node, name, p, edges)]
        if not positions and not constant and node._name in _OF_LAYERS and name not in _NEVER:
            shown.append((None, 0))
    if node._name in _BIAS_FIRST and node.entry.operation.names[-1] == "bias":
        shown[:0] = [shown.pop()]
    return tuple(shown)


def _arguments(node):
    """Name, positions among the values, and whether it is a constant, of each argument."""
    operation = node.entry.operation
    position = 2 * operation.random
    for name, count, constant in operation.described(node.entry.key):
        yield name, range(position, position + count), constant is not None
        position += count


def _shows(node, name, position, edges) -> bool:
    if position in edges:
        return True
    is_tensor = node.entry.inexact[position]
    return name not in _NEVER and (is_tensor or node._name in _OF_NUMBERS)


# What is saved ------------------------------------------------------------------------------------

_SELF = """Abs Acos Asin Atan Cos Cosh Digamma Erf Hardswish Lgamma Log Log10 Log1P Log2 LogSigmoid
Mish Silu Sin Sinc Sinh"""
_RESULT = "Exp Expm1 Reciprocal Relu Rsqrt Sigmoid Sqrt Tan Tanh"
_BOTH = "Atan2 Div Maximum Minimum Mul"
_OTHERS = {
    "AddBackward0": "alpha",
    "AddcmulBackward0": "tensor1 tensor2 value",
    "AmaxBackward0": "dim keepdim result self",
    "AminBackward0": "dim keepdim result self",
    "BinaryCrossEntropyBackward0": "reduction self target weight",
    "BmmBackward0": "mat2 self",
    "CatBackward0": "dim",
    "ClampBackward1": "max min self",
    "ConvolutionBackward0": "dilation groups input padding stride weight",
    "CumprodBackward0": "dim result self",
    "CumsumBackward0": "dim",
    "DotBackward0": "self tensor",
    "EluBackward0": "alpha self",
    "EmbeddingBackward0": "indices padding_idx",
    "FlipBackward0": "dims",
    "GatherBackward0": "dim index self",
    "GeluBackward0": "approximate self",
    "HardtanhBackward0": "max_val min_val self",
    "IndexSelectBackward0": "dim index",
    "LeakyReluBackward0": "negative_slope self",
    "LerpBackward0": "weight",
    "LogSoftmaxBackward0": "dim result",
    "LogsumexpBackward0": "dim keepdim result self",
    "MaskedFillBackward0": "mask",
    "MaxBackward0": "dim indices keepdim",
    "MaxBackward1": "result self",
    "MinBackward0": "dim indices keepdim",
    "MinBackward1": "result self",
    "MmBackward0": "mat2 self",
    "MseLossBackward0": "reduction self target",
    "MvBackward0": "self vec",
    "PermuteBackward0": "dims",
    "PowBackward0": "exponent self",
    "PowBackward1": "exponent result self",
    "PowBackward2": "exponent result self",
    "ProdBackward0": "result self",
    "RepeatBackward0": "repeats",
    "RollBackward0": "dims shifts",
    "SoftmaxBackward0": "dim result",
    "SoftplusBackward0": "beta self threshold",
    "SortBackward0": "dim indices",
    "StackBackward0": "dim",
    "StdBackward0": "correction dim keepdim result self",
    "SumBackward1": "dim keepdim",
    "TopkBackward0": "dim indices",
    "TransposeBackward0": "dim0 dim1",
    "UnsqueezeBackward0": "dim",
    "VarBackward0": "correction dim keepdim self",
    "WhereBackward0": "condition",
}
_SAVED = {f"{name}Backward0": "self" for name in _SELF.split()}
_SAVED |= {f"{name}Backward0": "result" for name in _RESULT.split()}
_SAVED |= {f"{name}Backward0": "other self" for name in _BOTH.split()} | _OTHERS
_RESULTS = {"result": 0, "indices": 1}  # which result; arguments called so come first
_MUTUAL = {"MulBackward0", "MmBackward0", "BmmBackward0", "DotBackward0", "MvBackward0"}
_SEVERAL_DIMS = {"SumBackward1", "LogsumexpBackward0", "VarBackward0", "StdBackward0"}
_SEVERAL_DIMS |= {"AmaxBackward0", "AminBackward0"}
_SECOND = {"other", "mat2", "vec", "tensor", "exponent"}  # names of the second argument


def names_of_saved(node) -> list:
    """The names of what PyTorch's node saves, of those that are known here."""
    if not hasattr(node.entry.operation, "described"):
        return []
    known = {name for name, _, _ in _arguments(node)}
    names = _SAVED.get(node._name, "").split()
    return [n for n in names if n in known or n == "self" or n in _SECOND or n in _RESULTS]


def saved(node, name):
    """What a node has saved under a name, without `_saved_`."""
    if name not in names_of_saved(node):
        raise AttributeError(f"'{node._name}' object has no attribute '_saved_{name}'")
    arguments = list(_arguments(node))
    names = [argument[0] for argument in arguments]
    place = 0 if name == "self" else names.index(name) if name in names else None
    if place is None and name in _RESULTS:
        return result(node, _RESULTS[name])
    place = 1 if place is None else place
    positions, is_constant = arguments[place][1:]
    if is_constant or not positions:
        found = list(node.entry.operation.described(node.entry.key))[place][2]
        several = name == "dim" and type(found) is int and node._name in _SEVERAL_DIMS
        return (found,) if several else found
    if node._name in _MUTUAL and {*positions} == {*node.entry.differentiable}:
        return None  # it is the other one that the gradient is made of
    return _value(node, positions[0])


def _value(node, position):
    """An input: the user's own tensor where it is a leaf that has not changed."""
    if node.residuals is None:
        raise freed_error()
    if node.arrays is None:
        return None
    held = node.arrays[position]
    if isinstance(held, Tensor) or not hasattr(held, "shape"):
        return held
    edge = dict(zip(node.entry.differentiable, node.edges, strict=True)).get(position)
    if edge is not None and isinstance(edge[0], AccumulateGrad):
        leaf = edge[0].variable
        if views.held(leaf) is held:
            return leaf
    made = wrap(held)
    if edge is not None:
        made._node, made._output = edge
    return made


def result(node, number):
    """A result, computed again."""
    if node.residuals is None:
        raise freed_error()
    arrays = [resolved(array) for array in node.arrays]
    results = node.entry.plain.run(*arrays)
    made = wrap(results[number] if isinstance(results, tuple) else results)
    if number == 0:
        made._node, made._output = node, number
    return made
