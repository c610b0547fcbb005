"""Completes the address of a page that was just entered, without a new entry in the browser's history."""

from __future__ import annotations

import streamlit as st

_JS = r"""
export default function ({data}) {
  // Only on a bare address: that is how a click in the navigation arrives. Replacing it keeps 'back' one step long.
  if (!location.search && data.query)
    history.replaceState(history.state, '', location.pathname + '?' + data.query);
}
"""

_component = st.components.v2.component("address", html="<span hidden>\n</span>", js=_JS)


def complete(page: str, query: str) -> None:
    """Adds ``query`` to the address of ``page``; both are compared, so that entering a page again does it again."""
    _component(data={"page": page, "query": query}, key="address")
