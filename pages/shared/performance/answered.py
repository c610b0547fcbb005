"""What is seen of many answers, on both tabs: accuracy, where networks disagree, who agrees with whom, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.shared import blocks
from pages.shared.controls import kept_choice
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from explorer.answers import Accuracy, Answers

_PLAIN = {"displayModeBar": False}
_COUNTED = 100  # labelled pictures; fewer are told as a count, not in percent
_FEW = 30  # labelled pictures; below that the bins of a calibration hold one or two each


def headline(answers: Answers) -> None:
    """One sentence about all of it."""
    from explorer import answers as about

    count, networks = len(answers.files), len(answers.networks)
    if networks < 2 and count == 1:
        best, sure = int(answers.top[0, 0, 0]), float(answers.probability[0, 0, 0])
        st.markdown(
            f"**{plain(answers.networks[0])} takes the photo for {plain(answers.classes[best])}, {percent(sure)}.**"
        )
        return
    if networks < 2:
        sure = float(np.median(answers.probability[:, 0, 0]))
        st.markdown(f"**{_photos(count)} through {plain(answers.networks[0])}: median confidence {percent(sure)}.**")
        return
    alike = about.unanimous(answers)
    who = "both networks" if networks == 2 else f"all {networks} networks"
    if count == 1:
        said = f"{who.capitalize()} give the photo the same first answer" if alike else "The networks do not agree"
    elif not alike:
        said = f"On none of {_photos(count)} do {who} give the same first answer"
    else:
        what = "every photo" if alike == count else f"{alike:,} of {_photos(count)}"
        said = f"{who.capitalize()} give the same first answer to {what}"
    st.markdown(f"**{said}.**")


def accuracy(answers: Answers, key: str) -> None:
    """Top-1 and top-5 with their intervals; one sentence where nothing is known."""
    from explorer import answers as about
    from explorer.figures import evaluation as figures

    first, five = about.accuracy(answers, 1), about.accuracy(answers, 5)
    if not first:
        return
    best = max(first, key=lambda each: each.hits)
    known = int(answers.labelled.sum())
    title = "How often are they right?" if len(first) > 1 else "How often is it right?"
    between = f"95 % interval {_between(best.low, best.high)}"
    st.markdown(f"##### {title}\n\n**{_right(first)}** ({between}).".replace(" %", "\u00a0%"))
    st.plotly_chart(figures.accuracy(first, five), key=f"{key}-accuracy", config=_PLAIN)
    st.caption(
        f"Over {_photos(known)} whose folder names a class. Bars: 95 % interval (Wilson). Top-5: one of the five "
        "best answers is right."
    )


def _right(found: Sequence[Accuracy]) -> str:
    """How often the best network is right; few photos are counted, since percent would promise too much."""
    best = max(found, key=lambda each: each.hits)
    if not best.hits:
        what = f"None of {_photos(best.of)} is" if best.of > 1 else "The photo is not"
        return f"{what} named rightly" + (" by any network" if len(found) > 1 else "")
    share = (
        f"{best.hits} of {_photos(best.of)}" if best.of < _COUNTED else f"{percent(best.share)} of {_photos(best.of)}"
    )
    if len(found) == 1:
        return share
    *others, last = [plain(each.network) for each in found if each.hits == best.hits]
    if len(others) + 1 == len(found):
        return f"{'Both' if len(found) == 2 else 'All'} are right equally often: {share}"
    who = f"{', '.join(others)} and {last} are" if others else f"{last} is"
    return f"{who} right most often: {share}"


def _between(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def disputed(answers: Answers, key: str, picture: Callable[[int], bytes], choose: Callable[[int], None]) -> None:
    """The photos that the networks contradict each other about most, with every answer; each can be chosen."""
    from explorer import answers as about

    if len(answers.networks) < 2:
        return
    shown = f"_{key}-disputed"
    count = min(len(answers.files), st.session_state.get(shown, 4))
    st.markdown("##### Where do they disagree most?" if len(answers.files) > 1 else "##### What does each say?")
    order = about.disputed(answers)[:count]
    for start in range(0, count, 4):
        for column, place in zip(st.columns(4), order[start : start + 4], strict=False):
            with column:
                blocks.image(picture(int(place)), width="stretch", alt=answers.files[int(place)])
                _said(answers, int(place))
                st.button(
                    "Select",
                    key=f"{key}-select-{place}",
                    icon=":material/ads_click:",
                    help="Makes it the photo of every page.",
                    on_click=choose,
                    args=(int(place),),
                )
    if count < len(answers.files):
        st.button("Show more", key=f"{key}-more", icon=":material/expand_more:", on_click=_more, args=(shown, count))
    st.caption(
        "What the first network sees. Disagreement: Jensen-Shannon divergence of the networks' probabilities, 0 % "
        "where they say the same, 100 % where they have no class in common."
    )


def _more(shown: str, count: int) -> None:
    st.session_state[shown] = count + 8


def _said(answers: Answers, place: int) -> None:
    """One photo's answers, a line for each network."""
    folder = f", in {plain(answers.folders[place])}" if answers.folders[place] else ""
    name = answers.files[place].rsplit("/", 1)[-1]
    lines = [f"**{plain(name)}**{folder}", f"disagreement {percent(float(answers.divergence[place]))}"]
    right = answers.targets[place]
    for network, title in enumerate(answers.networks):
        best = int(answers.top[place, network, 0])
        # Before the name: behind it, a narrow column would put the mark on a line of its own.
        mark = "" if not right else ":material/check:\u00a0" if best in right else ":material/close:\u00a0"
        sure = percent(float(answers.probability[place, network, 0]))
        lines.append(f"{mark}{plain(title)}: {plain(answers.classes[best])} {sure}")
    st.markdown("  \n".join(lines).replace(" %", "\u00a0%"))


def agreement(answers: Answers, key: str) -> None:
    """Who answers like whom."""
    from explorer import answers as about
    from explorer.figures import evaluation as figures

    if len(answers.networks) < 2 or len(answers.files) < 2:  # one photo's answers stand below it
        return
    shares = about.agreement(answers)
    st.markdown("##### Who agrees with whom?")
    st.plotly_chart(figures.agreement(shares, answers.networks), key=f"{key}-agreement", config=_PLAIN)
    st.caption(f"Share of {_photos(len(answers.files))} to which two networks give the same first answer.")


def calibration(answers: Answers, key: str) -> None:
    """Whether a network is right as often as it is sure; how sure it is where nobody knows what is right."""
    from explorer import answers as about
    from explorer.calibration import BINS
    from explorer.figures import evaluation as figures

    if len(answers.files) < 2:
        return
    st.markdown("##### Do they know when they are wrong?" if answers.labelled.any() else "##### How sure are they?")
    names = {str(place): title for place, title in enumerate(answers.networks)}
    place = 0
    if len(names) > 1:
        place = int(kept_choice("Network", f"{key}-calibrated-{len(names)}", names, label_visibility="collapsed"))
    found = about.reliability(answers, place)
    if found is None:
        sure = answers.probability[:, place, 0]
        st.plotly_chart(figures.confidence(sure, BINS), key=f"{key}-confidence", config=_PLAIN)
        st.caption(
            f"{plain(answers.networks[place])}: probability of its first answer, mean {percent(float(sure.mean()))}. "
            "Whether it is right as often takes photos in folders that name a class."
        )
        return
    st.plotly_chart(figures.reliability(found), key=f"{key}-reliability", config=_PLAIN)
    way = "more sure than right" if found.bias > 0 else "more often right than sure"
    st.caption(
        f"{plain(answers.networks[place])}: expected calibration error {100 * found.error:.1f} % over "
        f"{_photos(found.pictures)}, {BINS} bins (Guo et al. 2017); on average {100 * abs(found.bias):.1f} points "
        f"{way}. Each dot is a bin, its line the gap to the dotted diagonal, on which a network is right as often as "
        "it is sure." + (" So few photos say little about it." if found.pictures < _FEW else "")
    )


def _photos(count: int) -> str:
    return f"{count:,} photo{'' if count == 1 else 's'}"
