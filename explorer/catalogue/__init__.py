"""The networks as cards. Importing this package imports no torch: a list of networks is instant."""

from __future__ import annotations

from explorer.catalogue import torchvision_only
from explorer.catalogue.architecture import POLICIES, Architecture, Bundled
from explorer.catalogue.cards import CARDS
from explorer.errors import ExplorerError

__all__ = ["CATALOGUE", "DEFAULT", "POLICIES", "Architecture", "Bundled", "UnknownArchitecture", "get", "titles"]

CATALOGUE: dict[str, Architecture] = {card.slug: card for card in CARDS}
"""The guide's networks, which this project builds itself, by slug in teaching order."""
DEFAULT = "efficientnet_lite0"


class UnknownArchitecture(ExplorerError):
    """No card has this slug."""


def titles() -> dict[str, str]:
    """Titles with years by slug, of everything that can be chosen: the guide's networks, then torchvision's others."""
    ours = {card.slug: f"{card.title} ({card.year})" for card in CATALOGUE.values()}
    return {**ours, **{name: title for name, title in torchvision_only.titles().items() if name not in ours}}


def get(slug: str) -> Architecture:
    """Returns the card with this slug; also for every classification network of torchvision, by its name there.

    Raises:
        UnknownArchitecture: there is none; the message names the nearest ones.
    """
    if slug in CATALOGUE:
        return CATALOGUE[slug]
    card = torchvision_only.card(slug)
    if card is not None:
        return card
    import difflib

    names = titles()
    near = difflib.get_close_matches(slug, names, n=3) or list(names)[:3]
    raise UnknownArchitecture(f"There is no network called {slug!r}; near names are {', '.join(near)}.")
