"""The networks as cards. Importing this package imports no torch: a list of networks is instant."""

from __future__ import annotations

from collections import Counter

from explorer.catalogue import torchvision_only, tuned
from explorer.catalogue.architecture import POLICIES, Architecture, Bundled
from explorer.catalogue.cards import CARDS
from explorer.errors import ExplorerError

__all__ = ["CATALOGUE", "DEFAULT", "POLICIES", "Architecture", "Bundled", "UnknownArchitecture", "get", "titles"]

CATALOGUE: dict[str, Architecture] = {card.slug: card for card in CARDS}
"""The guide's networks, which this project builds itself, by slug in teaching order."""
DEFAULT = "efficientnet_lite0"


class UnknownArchitecture(ExplorerError):
    """No card has this slug."""


def titles(mine: bool = True) -> dict[str, str]:
    """Titles by slug of everything that can be chosen: the guide's networks, torchvision's others, and `mine`.

    Args:
        mine: whether networks that were tuned or brought here are listed too, last.
    """
    ours = {card.slug: f"{card.title} ({card.year})" for card in CATALOGUE.values()}
    others = {name: title for name, title in torchvision_only.titles().items() if name not in ours}
    return {**ours, **others, **(_told_apart() if mine else {})}


def _told_apart() -> dict[str, str]:
    """Titles of `mine`, the newest first; a later one of the same title has its number."""
    found: list[tuple[str, str]] = []
    seen: Counter[str] = Counter()
    for card in reversed(tuned.cards()):
        seen[card.title] += 1
        found.append((card.slug, card.title if seen[card.title] == 1 else f"{card.title} ({seen[card.title]})"))
    return dict(reversed(found))


def get(slug: str) -> Architecture:
    """Returns the card with this slug; also for every classification network of torchvision, by its name there.

    Networks that were tuned or brought here have slugs that begin with 'mine:'.

    Raises:
        UnknownArchitecture: there is none; the message names the nearest ones.
    """
    if slug in CATALOGUE:
        return CATALOGUE[slug]
    card = tuned.card(slug) if slug.startswith(tuned.PREFIX) else torchvision_only.card(slug)
    if card is not None:
        return card
    import difflib

    names = titles()
    near = difflib.get_close_matches(slug, names, n=3) or list(names)[:3]
    raise UnknownArchitecture(f"There is no network called {slug!r}; near names are {', '.join(near)}.")
