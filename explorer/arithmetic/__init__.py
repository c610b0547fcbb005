"""How numbers come about: sizes and counts in closed form, convolution and pooling product by product, real units."""

from explorer.arithmetic.convolution import Convolution, convolve
from explorer.arithmetic.pooling import Pooling, adaptive_pool, pool
from explorer.arithmetic.sizes import IllegalSetting, output_size, parameter_count, transposed_size
from explorer.arithmetic.softmax import Softmax, softmax
from explorer.arithmetic.transposed import TransposedConvolution, transpose_convolve
from explorer.arithmetic.unit import UnitExplanation, explain_unit

__all__ = [
    "Convolution",
    "IllegalSetting",
    "Pooling",
    "Softmax",
    "TransposedConvolution",
    "UnitExplanation",
    "adaptive_pool",
    "convolve",
    "explain_unit",
    "output_size",
    "parameter_count",
    "pool",
    "softmax",
    "transpose_convolve",
    "transposed_size",
]
