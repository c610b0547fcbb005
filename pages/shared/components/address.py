"""Completes the address of a page that was just entered, without a new entry in the browser's history."""

from __future__ import annotations

import streamlit as st

_JS = r"""
let completed = '';
export default function ({data}) {
  // Only on a bare address, which is how a click in the navigation arrives, or on what was made of it a moment ago, if
  // a click since then set out from the bare one. Replacing it keeps 'back' one step long.
  if (data.query && (!location.search || location.search === completed)) {
    history.replaceState(history.state, '', location.pathname + '?' + data.query);
    completed = location.search;
  }
}
"""

_component = st.components.v2.component("address", html="<span hidden>\n</span>", js=_JS)


def complete(page: str, query: str) -> None:
    """Adds ``query`` to the address of ``page``; both are compared, so that entering a page again does it again."""
    _component(data={"page": page, "query": query}, key="address")
