"""The table of operations: importing it makes every family register its functions and methods.

`Tensor` knows no operation; here is where they come together. A new family is one more name.
"""

from kuai.engine.door import REGISTRY
from kuai.engine.tensor import Tensor
from kuai.ops import activation as activation
from kuai.ops import arithmetic as arithmetic
from kuai.ops import attention as attention
from kuai.ops import classification as classification
from kuai.ops import clipping as clipping
from kuai.ops import comparison as comparison
from kuai.ops import complex_numbers as complex_numbers
from kuai.ops import contraction as contraction
from kuai.ops import control_flow as control_flow
from kuai.ops import conversion as conversion
from kuai.ops import convolution as convolution
from kuai.ops import creation as creation
from kuai.ops import division as division
from kuai.ops import dropout as dropout
from kuai.ops import embedding as embedding
from kuai.ops import extremes as extremes
from kuai.ops import factorization as factorization
from kuai.ops import factorization_names as factorization_names
from kuai.ops import gathering as gathering
from kuai.ops import indexing as indexing
from kuai.ops import initial as initial
from kuai.ops import interpolation as interpolation
from kuai.ops import joining as joining
from kuai.ops import limits as limits
from kuai.ops import linalg as linalg
from kuai.ops import linear as linear
from kuai.ops import logic as logic
from kuai.ops import loss as loss
from kuai.ops import masking as masking
from kuai.ops import multi_head_attention as multi_head_attention
from kuai.ops import normalization as normalization
from kuai.ops import norms as norms
from kuai.ops import operators as operators
from kuai.ops import order as order
from kuai.ops import padding as padding
from kuai.ops import pointwise as pointwise
from kuai.ops import pooling as pooling
from kuai.ops import powers as powers
from kuai.ops import products as products
from kuai.ops import random_fills as random_fills
from kuai.ops import random_values as random_values
from kuai.ops import rearranging as rearranging
from kuai.ops import recurrent as recurrent
from kuai.ops import reduction as reduction
from kuai.ops import scan as scan
from kuai.ops import selecting as selecting
from kuai.ops import sequences as sequences
from kuai.ops import shape_changes as shape_changes
from kuai.ops import shaping as shaping
from kuai.ops import similarity as similarity
from kuai.ops import softmax as softmax
from kuai.ops import sorting as sorting
from kuai.ops import special as special
from kuai.ops import splitting as splitting
from kuai.ops import to_python as to_python
from kuai.ops import transposing as transposing
from kuai.ops import trigonometry as trigonometry
from kuai.ops import vision as vision
from kuai.ops import whole_numbers as whole_numbers
from kuai.ops import windows as windows

__all__ = ["FUNCTIONS", "MODULES"]

for _name, _operator in operators.OPERATORS.items():
    setattr(Tensor, _name, _operator)
Tensor.__hash__ = object.__hash__  # Python takes it away from a class that gets `__eq__`

FUNCTIONS = REGISTRY.functions
MODULES = REGISTRY.modules
