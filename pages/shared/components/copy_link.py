"""A button that copies the address of the view."""

from __future__ import annotations

import streamlit as st

_HTML = """
<button type="button">Copy link to this view</button>
"""
_CSS = """
button { all: unset; cursor: pointer; font: 14px var(--st-font); color: var(--st-link-color, var(--st-primary-color));
  padding: 2px 0; border-radius: 4px; }
button:hover { text-decoration: underline; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
_JS = r"""
export default function ({parentElement: root}) {
  const button = root.querySelector('button');
  button.onclick = async () => {
    // Where the browser gives no clipboard (plain http from elsewhere), a prompt shows the address, ready to copy.
    try { await navigator.clipboard.writeText(location.href); button.textContent = 'Copied'; }
    catch { window.prompt('Copy this link:', location.href); }
    setTimeout(() => { button.textContent = 'Copy link to this view'; }, 2000);
  };
}
"""

_component = st.components.v2.component("copy_link", html=_HTML, css=_CSS, js=_JS)


def copy_link() -> None:
    """Draws the button."""
    _component(key="copy-link")
