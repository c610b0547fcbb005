"""Tab of the Performance page: the command for folders of any size, and what such a run has written."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import storage
from explorer.errors import ExplorerError
from pages.shared import blocks, cache, pictures, selection
from pages.shared.controls import kept_choice
from pages.shared.performance import answered, mapping, my_photos
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from explorer.evaluate.results import Results

_KEY = "at-scale"
_KEPT = "_at_scale_uploaded"
_EXAMPLE = "The samples, as an example"
_APP = Path(__file__).parents[3]
_LISTED = 100  # rows of the list of disagreements


@dataclass(frozen=True)
class _Shown:
    name: str
    results: Results


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The command, the choice of a result, and what it says."""
    st.markdown(
        "Fifty thousand pictures are nothing to wait for on a page. This command goes through a folder of any size, "
        "goes on where it was broken off, and writes a file that is shown here."
    )
    slugs = my_photos.networks(_KEY)
    cluster = kept_choice("Where", f"{_KEY}-where", {"": "One machine", "local": "A cluster, with Ray"})
    if slugs:
        st.code(command(slugs, ray=bool(cluster)), language="bash", wrap_lines=True)
        st.caption(
            f"Run it in the app's folder, {plain(str(_APP))}, with the app's own Python. `DIR` is the folder of "
            "pictures; a picture's label is the name of the folder that it lies in, one for each class. Pictures that "
            "cannot be read are listed with the reason. "
            + ("Needs `pip install 'ray[data]'`; " if cluster else "")
            + (
                "`--ray local` makes this machine a cluster, an address joins one whose nodes see the folder."
                if cluster
                else "`--help` names the rest: device, batch size, workers, a limit."
            )
        )
    shown = _choice()
    if shown is not None:
        _draw(shown)
    selection.write_link(in_fragment=True)


def command(slugs: Sequence[str], *, ray: bool = False) -> str:
    """The line to copy into a terminal."""
    out = shlex.quote(str(storage.folder("evaluations") / "results.parquet"))
    lines = [
        f"{shlex.quote(python())} -m explorer.evaluate",
        "--images DIR",
        f"--models {','.join(slugs)}",
        f"--out {out}",
    ]
    return " \\\n  ".join([*lines, *(["--ray local"] if ray else [])])


def python() -> str:
    """The Python that runs the app, as the app's folder sees it: .venv/bin/python."""
    path = Path(sys.executable)
    return str(path.relative_to(_APP) if path.is_relative_to(_APP) else path)


def _choice() -> _Shown | None:
    """An uploader, and the results that are there."""
    number = st.session_state.get("_at_scale_uploader", 0)
    name = f"{_KEY}-file-{number}"
    st.file_uploader("A result", type=["parquet"], key=name, max_upload_size=20, on_change=_take, args=(name,))
    if error := st.session_state.pop("_at_scale_error", ""):
        st.warning(error, icon=":material/info:")
    uploaded: _Shown | None = st.session_state.get(_KEPT)
    there = {path.name: path for path in sorted(storage.folder("evaluations").glob("*.parquet"))}
    options = [*([uploaded.name] if uploaded else []), *there, _EXAMPLE]
    options = list(dict.fromkeys(options))
    chosen = options[0]
    if len(options) > 1:
        chosen = st.selectbox("Shown", options, key=f"{_KEY}-shown-{number}")
    if uploaded and chosen == uploaded.name:
        return uploaded
    if chosen in there:
        about = there[chosen].stat()
        return _Shown(chosen, cache.evaluation(str(there[chosen]), about.st_mtime_ns, about.st_size))
    return _Shown(chosen, _example())


def _take(key: str) -> None:
    from explorer import evaluate

    file = st.session_state.get(key)
    if file is None:
        return
    st.session_state["_at_scale_uploader"] = st.session_state.get("_at_scale_uploader", 0) + 1
    try:
        st.session_state[_KEPT] = _Shown(file.name, evaluate.read(file))
    except ExplorerError as error:
        st.session_state["_at_scale_error"] = f"{plain(file.name)}: {error}"


def _example() -> Results:
    """What the command would write of the bundled samples."""
    from explorer import answers, models, predict
    from explorer.evaluate.results import Results

    loaded = [models.load(slug, "auto", "cpu") for slug in my_photos.NETWORKS]
    photos = [each for each in pictures.samples().values() if each.subject == "photos"]
    sure = np.array([[predict.softmax(cache.logits(model, each).result) for model in loaded] for each in photos])
    titles = [model.card.title for model in loaded]
    files = [f"samples/{each.name}.png" for each in photos]
    found = answers.collect(files, ["samples"] * len(files), titles, loaded[0].classes, sure)
    about: tuple[dict[str, Any], ...] = tuple(
        {
            "slug": model.card.slug,
            "title": model.card.title,
            "weights": model.weights.name,
            "trained": model.weights.trained,
        }
        for model in loaded
    )
    return Results(found, (), about, "cpu")


def _draw(shown: _Shown) -> None:
    found = shown.results.answers
    st.markdown(f"#### {plain(shown.name)}")
    weights = ", ".join(f"{each['title']} ({each['weights']})" for each in shown.results.networks)
    if not found.files:
        st.info("None of its pictures could be read.", icon=":material/info:")
        _refused(shown.results)
        return
    answered.headline(found)
    st.caption(plain(f"{weights} · {len(found.files):,} pictures · {shown.results.device}"))
    for each in shown.results.networks:
        if not each.get("trained", True):
            st.caption(f":material/casino: {plain(each['title'])} ran with random weights: its answers mean nothing.")
    key = f"{_KEY}-{abs(hash((shown.name, found.networks, len(found.files))))}"
    found = mapping.labelled(found, key) if shown.name != _EXAMPLE else found
    answered.accuracy(found, key)
    left, right = st.columns(2, gap="large")
    with left:
        answered.agreement(found, key)
    with right:
        answered.calibration(found, key)
    _disputed(shown.results, key)
    _refused(shown.results)


def _disputed(results: Results, key: str) -> None:
    """The pictures that the networks contradict each other about most, by name."""
    import pandas as pd

    from explorer import answers as about

    found = results.answers
    if len(found.networks) < 2:
        return
    places = about.disputed(found)[:_LISTED]
    columns: dict[str, list[str]] = {
        "Picture": [found.files[place] for place in places],
        "Disagreement": [percent(float(found.divergence[place])) for place in places],
    }
    for network, title in enumerate(found.networks):
        columns[title] = [
            f"{found.classes[found.top[place, network, 0]]} {percent(float(found.probability[place, network, 0]))}"
            for place in places
        ]
    st.markdown("##### Where do they disagree most?")
    st.dataframe(pd.DataFrame(columns), hide_index=True, key=f"{key}-disputed")
    st.caption(
        f"The first {len(places):,} of {len(found.files):,}. Disagreement: Jensen-Shannon divergence of the networks' "
        "probabilities, 0 % where they say the same, 100 % where they have no class in common."
    )


def _refused(results: Results) -> None:
    import pandas as pd

    if results.refused:
        noun = "picture" if len(results.refused) == 1 else "pictures"
        with st.expander(f"{len(results.refused):,} {noun} could not be read", icon=":material/info:"):
            rows = pd.DataFrame(list(results.refused[:1000]), columns=["Picture", "Reason"])
            st.dataframe(rows, hide_index=True)
