"""The table of operations: importing it makes every family register its functions and methods.

`Tensor` knows no operation; here is where they come together. A new family is one more name. What
compiled programs begin with, on some systems, makes itself known in the same way.
"""

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor, method
from kuai.ops import (
    activation as activation,
    arithmetic as arithmetic,
    attention as attention,
    attributes as attributes,
    bessel as bessel,
    calculus as calculus,
    classification as classification,
    clipping as clipping,
    comparison as comparison,
    complex_numbers as complex_numbers,
    contraction as contraction,
    control_flow as control_flow,
    conversion as conversion,
    convolution as convolution,
    copies as copies,
    covariance as covariance,
    creation as creation,
    division as division,
    dropout as dropout,
    embedding as embedding,
    extremes as extremes,
    factorization as factorization,
    fourier as fourier,
    gamma_functions as gamma_functions,
    gathering as gathering,
    index_reductions as index_reductions,
    indexing as indexing,
    initial as initial,
    inquiries as inquiries,
    interpolation as interpolation,
    joining as joining,
    ldl_factors as ldl_factors,
    limits as limits,
    linalg as linalg,
    linear as linear,
    logic as logic,
    loss as loss,
    low_rank as low_rank,
    masking as masking,
    matrix_checks as matrix_checks,
    matrix_factors as matrix_factors,
    matrix_functions as matrix_functions,
    multi_head_attention as multi_head_attention,
    normalization as normalization,
    norms as norms,
    operators as operators,
    order as order,
    orthogonal_polynomials as orthogonal_polynomials,
    padding as padding,
    pointwise as pointwise,
    pooling as pooling,
    powers as powers,
    products as products,
    random_fills as random_fills,
    random_values as random_values,
    rearranging as rearranging,
    recurrent as recurrent,
    reduction as reduction,
    scan as scan,
    selecting as selecting,
    sequences as sequences,
    shape_changes as shape_changes,
    shaping as shaping,
    similarity as similarity,
    sizes_and_norms as sizes_and_norms,
    softmax as softmax,
    sorting as sorting,
    special as special,
    splitting as splitting,
    strided as strided,
    to_python as to_python,
    transposing as transposing,
    triangular as triangular,
    trigonometry as trigonometry,
    vision as vision,
    whole_numbers as whole_numbers,
    windows as windows,
)
from kuai.ops.native import memory as memory

__all__ = ["FUNCTIONAL", "FUNCTIONS", "MODULES"]

for _name, _operator in operators.OPERATORS.items():
    method(_operator, name=_name)
Tensor.__hash__ = object.__hash__  # Python takes it away from a class that gets `__eq__`

FUNCTIONS = REGISTRY.functions
FUNCTIONAL = REGISTRY.functional
MODULES = REGISTRY.modules
