"""The table of operations: importing it makes every family register its functions and methods.

`Tensor` knows no operation; here is where they come together. A new family is one more name. What
compiled programs begin with, on some systems, makes itself known in the same way.
"""

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor, method
from kuai.ops import operators as operators
from kuai.ops.analysis import (
    calculus as calculus,
    covariance as covariance,
    fourier as fourier,
    low_rank as low_rank,
    matrix_functions as matrix_functions,
    sizes_and_norms as sizes_and_norms,
)
from kuai.ops.array import (
    attributes as attributes,
    conversion as conversion,
    copies as copies,
    creation as creation,
    dense_answers as dense_answers,
    distribution_draws as distribution_draws,
    existing_data as existing_data,
    flat_indices as flat_indices,
    gathering as gathering,
    index_reductions as index_reductions,
    indexing as indexing,
    inquiries as inquiries,
    joining as joining,
    masking as masking,
    random_fills as random_fills,
    random_values as random_values,
    rearranging as rearranging,
    selecting as selecting,
    sequences as sequences,
    shape_changes as shape_changes,
    shaping as shaping,
    slices as slices,
    splitting as splitting,
    strided as strided,
    to_python as to_python,
    transposing as transposing,
    window_functions as window_functions,
    windows as windows,
)
from kuai.ops.control import control_flow as control_flow
from kuai.ops.math import (
    arithmetic as arithmetic,
    bessel as bessel,
    comparison as comparison,
    complex_numbers as complex_numbers,
    contraction as contraction,
    division as division,
    extremes as extremes,
    factorization as factorization,
    gamma_functions as gamma_functions,
    hashing as hashing,
    ldl_factors as ldl_factors,
    limits as limits,
    linalg as linalg,
    logic as logic,
    matrix_checks as matrix_checks,
    matrix_factors as matrix_factors,
    norms as norms,
    order as order,
    orthogonal_polynomials as orthogonal_polynomials,
    pointwise as pointwise,
    powers as powers,
    products as products,
    reduction as reduction,
    scan as scan,
    solutions as solutions,
    sorting as sorting,
    special as special,
    triangular as triangular,
    trigonometry as trigonometry,
    whole_numbers as whole_numbers,
)
from kuai.ops.native import additions as additions
from kuai.ops.nn import (
    activation as activation,
    attention as attention,
    batch_normalization as batch_normalization,
    classification as classification,
    clipping as clipping,
    convolution as convolution,
    ctc as ctc,
    dropout as dropout,
    embedding as embedding,
    fake_quantization as fake_quantization,
    fractional_pooling as fractional_pooling,
    grid_sampling as grid_sampling,
    grouped as grouped,
    initial as initial,
    interpolation as interpolation,
    linear as linear,
    linear_cross_entropy as linear_cross_entropy,
    loss as loss,
    margin_losses as margin_losses,
    multi_head_attention as multi_head_attention,
    normalization as normalization,
    padding as padding,
    piecewise_linear as piecewise_linear,
    pooling as pooling,
    pooling_with_indices as pooling_with_indices,
    recurrent as recurrent,
    similarity as similarity,
    sliding_blocks as sliding_blocks,
    softmax as softmax,
    spectrogram as spectrogram,
    unpooling as unpooling,
    vector_norms as vector_norms,
    vision as vision,
)

__all__ = ["FUNCTIONAL", "FUNCTIONS", "MODULES"]

for _name, _operator in operators.OPERATORS.items():
    method(_operator, name=_name)
Tensor.__hash__ = object.__hash__  # Python takes it away from a class that gets `__eq__`

FUNCTIONS = REGISTRY.functions
FUNCTIONAL = REGISTRY.functional
MODULES = REGISTRY.modules
REGISTRY.have_found()  # pickle names a function, and looks it up there
