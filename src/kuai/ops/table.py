"""The table of operations: importing it makes every family register its functions and methods.

`Tensor` knows no operation; here is where they come together. A new family is one more name.
"""

from kuai.engine.door import REGISTRY
from kuai.engine.tensor import Tensor
from kuai.ops import (
    activation,
    arithmetic,
    classification,
    comparison,
    contraction,
    conversion,
    convolution,
    creation,
    division,
    dropout,
    embedding,
    extremes,
    factorization,
    factorization_names,
    gathering,
    indexing,
    initial,
    joining,
    limits,
    linalg,
    linear,
    logic,
    loss,
    normalization,
    norms,
    operators,
    order,
    padding,
    pointwise,
    pooling,
    powers,
    products,
    random_values,
    reduction,
    scan,
    shaping,
    similarity,
    softmax,
    sorting,
    special,
    splitting,
    trigonometry,
    whole_numbers,
    windows,
)

__all__ = ["FAMILIES", "FUNCTIONS", "MODULES"]

FAMILIES = (
    activation,
    arithmetic,
    classification,
    comparison,
    contraction,
    conversion,
    convolution,
    creation,
    division,
    dropout,
    embedding,
    extremes,
    factorization,
    factorization_names,
    gathering,
    indexing,
    initial,
    joining,
    limits,
    linalg,
    linear,
    logic,
    loss,
    normalization,
    norms,
    operators,
    order,
    padding,
    pointwise,
    pooling,
    powers,
    products,
    random_values,
    reduction,
    scan,
    shaping,
    similarity,
    softmax,
    sorting,
    special,
    splitting,
    trigonometry,
    whole_numbers,
    windows,
)

for _name, _operator in operators.OPERATORS.items():
    setattr(Tensor, _name, _operator)
Tensor.__hash__ = object.__hash__  # Python takes it away from a class that gets `__eq__`

FUNCTIONS = REGISTRY.functions
MODULES = REGISTRY.modules
