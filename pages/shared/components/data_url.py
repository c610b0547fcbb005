"""Pictures that travel inside a page's own messages.

Streamlit serves the pictures of ``st.image`` from addresses of their own and drops each as soon as the script has run
again without it. A browser that asks a moment too late, after a quick second click or over a slow line, gets nothing;
a picture inside the message cannot be late.
"""

from __future__ import annotations

import base64


def data_url(picture: bytes) -> str:
    """Returns the address that holds ``picture``, the bytes of a PNG or JPEG file, itself ("" for none)."""
    if not picture:
        return ""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
