"""What if this part of the network were silent, or louder? Channels, heads and residual branches, scaled.

The shared network is never written. Inside :func:`active` hooks that serve one thread change its outputs as they pass;
:func:`intervened` gives a network of its own, a copy of the structure on the same weights with the hooks in it. Every
function of explorer works on either, and sees the changed network.
"""

from explorer.errors import Cancelled
from explorer.intervention.carriers import Carriers, greedy
from explorer.intervention.changes import Intervention, NoSuchPart, active, describe, intervened
from explorer.intervention.contributions import Contributions, contributions
from explorer.intervention.parts import Block, Heads, blocks, heads

__all__ = [
    "Block",
    "Cancelled",
    "Carriers",
    "Contributions",
    "Heads",
    "Intervention",
    "NoSuchPart",
    "active",
    "blocks",
    "contributions",
    "describe",
    "greedy",
    "heads",
    "intervened",
]
