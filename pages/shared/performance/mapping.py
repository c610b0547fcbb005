"""Which class each folder means: guessed from its name, and corrected by the visitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.answers import Answers

_MOST = 200  # folders in the editor


def labelled(answers: Answers, key: str) -> Answers:
    """The answers with the classes that their folders mean, as far as that is known, and an editor for them."""
    import pandas as pd

    from explorer import labels

    counts = Counter(answers.folders)
    folders = sorted(filter(None, counts))
    if not folders:
        return answers
    guessed = labels.match_all(folders, answers.classes)
    names = [f"{index} {label}" for index, label in enumerate(answers.classes)]
    unknown = [folder for folder in folders if not guessed[folder]]
    title = "What the folders mean" + (f": {len(unknown)} of {len(folders)} not known" if unknown else "")
    with st.expander(title, icon=":material/label:", expanded=bool(unknown) and len(folders) <= 20):
        st.caption("Correct what is wrong: any of a folder's classes counts as right. Empty: left out of the accuracy.")
        rows = pd.DataFrame(
            {
                "Folder": folders[:_MOST],
                "Photos": [counts[folder] for folder in folders[:_MOST]],
                "Classes": [[names[index] for index in guessed[folder]] for folder in folders[:_MOST]],
            }
        )
        edited = st.data_editor(
            rows,
            key=f"{key}-folders-{hash((tuple(folders), answers.classes))}",
            hide_index=True,
            disabled=["Folder", "Photos"],
            column_config={"Classes": st.column_config.MultiselectColumn(options=names, width="large")},
        )
        if len(folders) > _MOST:
            st.caption(f"The first {_MOST} of {len(folders):,} folders; the others mean what their names say.")
    corrected = chosen(dict(zip(edited["Folder"], edited["Classes"], strict=True)), names)
    known = {**guessed, **corrected}
    if not any(known.values()):
        words = plain(", ".join(folders[:3]))
        st.caption(f"No folder ({words}) names a class these networks know, so there is no accuracy; name one above.")
    return answers.with_targets(labels.targets(answers.folders, known))


def chosen(rows: Mapping[str, Sequence[str] | None], names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Classes by folder, from the names that the editor holds."""
    index = {name: place for place, name in enumerate(names)}
    return {
        folder: tuple(index[name] for name in (values if values is not None else ()) if name in index)
        for folder, values in rows.items()
    }
