"""What was measured on this device, for the chart's latency."""

from __future__ import annotations

import streamlit as st

from explorer import storage
from explorer.errors import ExplorerError
from pages.shared import selection


def latencies() -> dict[str, float]:
    """Median milliseconds for one image by network, in float32 on the selected device; empty if nothing was measured.

    Where nothing was ever measured, nothing is imported: the page needs no torch.
    """
    if not any(storage.folder("benchmarks").iterdir()):
        return {}
    with st.spinner("Reading what was measured"):
        from explorer import benchmark

        try:
            return benchmark.latencies(selection.current().device)
        except ExplorerError as error:
            st.warning(str(error), icon=":material/info:")
            return {}
