"""A name that a browser keeps for itself, so that a run is found again after its tab was closed."""

from __future__ import annotations

from typing import Any

import streamlit as st

_JS = r"""
export default function ({setStateValue}) {
  const place = 'cnn-explorer-visitor';
  let name = null;
  try {
    name = localStorage.getItem(place);
    if (!/^[0-9a-f]{32}$/.test(name || '')) {
      name = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
      localStorage.setItem(place, name);
    }
  } catch { return; }  // a browser that keeps nothing: the session's own name does until the tab is closed
  setStateValue('name', name);
}
"""
_component = st.components.v2.component("browser_name", html="<span></span>", js=_JS)


def browser_name(key: str) -> str:
    """The name, 32 hexadecimal digits; '' until the browser has told it."""
    found: Any = _component(key=key, on_name_change=lambda: None, height=1)
    return str(found.name or "")
