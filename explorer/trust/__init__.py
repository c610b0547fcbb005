"""How far to trust a map of evidence: what happens when its best pixels go, when the network forgets, beside others."""

from explorer.errors import Cancelled
from explorer.trust.agreement import Agreement, Agreements, agreement, agreements, rank_correlation
from explorer.trust.curves import Curve, Curves, NotItsMap, deletion_insertion
from explorer.trust.forgetting import Forgetting, Stage, randomisation
from explorer.trust.pointing import EmptyBox, Inside, inside

__all__ = [
    "Agreement",
    "Agreements",
    "Cancelled",
    "Curve",
    "Curves",
    "EmptyBox",
    "Forgetting",
    "Inside",
    "NotItsMap",
    "Stage",
    "agreement",
    "agreements",
    "deletion_insertion",
    "inside",
    "randomisation",
    "rank_correlation",
]
