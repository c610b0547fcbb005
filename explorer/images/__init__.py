"""Bytes that a visitor uploads -> an upright RGB picture, safely; and the bundled sample photos."""

from explorer.images.limits import MAX_BYTES, MAX_LENGTH, MAX_PIXELS, MAX_SIDE, BadImage
from explorer.images.opening import digest, encode_png, open_image
from explorer.images.samples import Sample, samples

__all__ = [
    "MAX_BYTES",
    "MAX_LENGTH",
    "MAX_PIXELS",
    "MAX_SIDE",
    "BadImage",
    "Sample",
    "digest",
    "encode_png",
    "open_image",
    "samples",
]
