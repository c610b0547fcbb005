"""Asks the browser whether the page is as narrow as a phone; draws nothing."""

from __future__ import annotations

import streamlit as st

from pages.shared.components.payload import RENEWED

# Streamlit stacks columns below 640 pixels.
_JS = r"""
export default function ({data, parentElement: root, setStateValue}) {
  const phone = window.matchMedia('(max-width: 640px)');
  const tell = () => { if (phone.matches !== data.narrow) setStateValue('narrow', phone.matches); };
  phone.addEventListener('change', tell);
  tell();
  return renewed(root, () => phone.removeEventListener('change', tell));
}
"""

_component = st.components.v2.component("room", html="<span hidden>\n</span>", js=RENEWED + _JS)


def narrow(key: str) -> bool:
    """Whether the page is narrow; False until the browser has answered, which on a phone runs the fragment once more."""
    known = bool(st.session_state.get(f"_{key}-narrow", False))
    found = bool(_component(key=key, data={"narrow": known}, on_narrow_change=lambda: None).narrow)
    st.session_state[f"_{key}-narrow"] = found
    return found
