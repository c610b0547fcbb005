"""Why this class? Methods that draw a map of the evidence on the photo."""

from __future__ import annotations

from explorer.attribution.availability import availability, valid_layers
from explorer.attribution.cams import grad_cam
from explorer.attribution.drawing import attribute
from explorer.attribution.effort import Effort, effort
from explorer.attribution.methods import METHODS, Method
from explorer.attribution.results import Attribution, NotApplicable
from explorer.attribution.scaling import enlarged
from explorer.errors import Cancelled

__all__ = [
    "METHODS",
    "Attribution",
    "Cancelled",
    "Effort",
    "Method",
    "NotApplicable",
    "attribute",
    "availability",
    "effort",
    "enlarged",
    "grad_cam",
    "valid_layers",
]
