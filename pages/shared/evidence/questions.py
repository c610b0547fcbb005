"""What the selection asks of one map, what that will cost, and the map once it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.errors import ExplorerError
from pages.shared import cache, selection
from pages.shared.cache import Timed
from pages.shared.evidence import options
from pages.shared.evidence.asked import pace
from pages.shared.long_run import LongRun, Progress, Stopped, duration, offer

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Effort, Method
    from explorer.models import Model
    from pages.shared.pictures import Picture

_QUICK = "_quick_method"
_QUICK_WORK = 4  # forward passes: a map that takes no more is drawn at once, on any network
_PATIENCE = 2.5  # seconds; a map that takes no more is drawn without being asked for, with a Stop


class NotDrawn(ExplorerError):
    """The map takes long and nobody has asked for it yet; the message says so."""


@dataclass(frozen=True)
class Question:
    """One map.

    Attributes:
        model: the network.
        picture: the photo.
        method: how.
        target: index of the class.
        layer: to read; None where the method needs none.
        against: index of the class it is asked against; None if it is not.
        options: of the method, where they are not the usual ones.
    """

    model: Model
    picture: Picture
    method: Method
    target: int
    layer: str | None
    against: int | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def effort(self) -> Effort:
        """What it takes; of methods that ask channel by channel, those that are silent on the photo are known."""
        from explorer import attribution

        maps = None
        if self.layer and "channels" in self.method.options:
            maps = cache.feature_maps(self.model, self.picture, self.layer).result.values
        return attribution.effort(self.model, self.method.key, self.layer, maps=maps, **self.options)

    @property
    def quick(self) -> bool:
        """Whether it takes a pass or two."""
        return self.effort.work <= _QUICK_WORK

    @property
    def given(self) -> tuple[Any, ...]:
        """Arguments of `cache.attribution` but for the options."""
        return (self.model, self.picture, self.method.key, self.target, self.layer, self.against)


def question(model: Model, picture: Picture) -> Question:
    """What the selection asks; what does not fit falls back to the usual."""
    from explorer import attribution

    key = selection.current().method
    fits = key in attribution.METHODS and key not in cache.unavailable(model)
    return _about(model, picture, attribution.METHODS[key if fits else "grad_cam"])


def stand_in(asking: Question) -> Question | None:
    """The same by the method that was quick last; None if that is the method itself."""
    from explorer import attribution

    key = st.session_state.get(_QUICK, "grad_cam")
    if key in cache.unavailable(asking.model):
        key = "grad_cam"
    return None if key == asking.method.key else _about(asking.model, asking.picture, attribution.METHODS[key])


def _about(model: Model, picture: Picture, method: Method) -> Question:
    from explorer import activations, attribution

    chosen, logits = selection.current(), cache.logits(model, picture).result
    target = int(logits.argmax()) if chosen.target is None else chosen.target
    against = chosen.against if method.asks_class and chosen.against != target else None
    layer, channels = None, 0
    if method.needs_layer:
        valid = [each.name for each in attribution.valid_layers(model, method.key)]
        layer = chosen.layer if chosen.layer in valid else usual_layer(model, valid)
        channels = activations.find(model, layer).shape[0]
    return Question(model, picture, method, target, layer, against, options.chosen(method, model, channels))


def usual_layer(model: Model, valid: list[str]) -> str:
    """Where a method reads unless told otherwise."""
    from explorer import activations

    usual = activations.default_layer(model).name
    return usual if usual in valid else valid[-1]


def known(asking: Question) -> Timed[Attribution] | None:
    """The map, if it is quick or has been drawn; else None."""
    if asking.quick:
        st.session_state[_QUICK] = asking.method.key
        with st.spinner(f"{asking.method.title}: {asking.method.cost}", show_time=True):
            return cache.attribution(*asking.given, options=asking.options)
    return cache.known_attribution(*asking.given, options=asking.options)


def waiting(
    asking: Question, key: str, label: str, show: Callable[[Timed[Attribution]], None]
) -> LongRun[Timed[Attribution]]:
    """The map as something to wait for, with progress and Stop; what one visitor waited for, all have."""
    effort = asking.effort

    def compute(progress: Progress, stopped: Stopped) -> Timed[Attribution]:
        return cache.attribution(*asking.given, options=asking.options, progress=progress, cancelled=stopped)

    return LongRun(
        key,
        (
            "map",
            asking.model.key,
            asking.picture.digest,
            asking.method.key,
            asking.target,
            asking.layer,
            asking.against,
            tuple(asking.options.items()),
        ),
        label,
        effort.passes,
        effort.work * pace(asking.model, asking.picture),
        compute,
        show,
        patience=_PATIENCE,
        bound=effort.bound,
    )


def asked(model: Model, picture: Picture) -> Timed[Attribution]:
    """The map that the selection asks for, for those who measure or change it; one that takes long is offered here.

    Raises:
        NotDrawn: it is not there yet.
    """
    asking = question(model, picture)
    found = known(asking)
    drawn = [found] if found is not None else []
    if not drawn:
        run = waiting(asking, "asked-map", f"Draw {asking.method.title}", drawn.append)
        go = offer(run)
        if go is not None:
            go()
        if not drawn:
            raise NotDrawn(
                f"All below is about the map by {asking.method.title}, which takes about {duration(run.seconds)} here: "
                "draw it first, or choose a quicker method under One map."
            )
    return drawn[0]
