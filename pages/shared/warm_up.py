"""Imports what is slow to import in the background, after the first page has been drawn."""

from __future__ import annotations

import gc
import importlib
import threading

import streamlit as st


@st.cache_resource(show_spinner=False)
def start() -> None:
    """Starts one thread a process that imports torch and loads the default network for the clicks to come."""
    threading.Thread(target=_warm, name="warm up", daemon=True).start()


def _warm() -> None:
    for module in ("explorer.models", "explorer.attribution", "torchvision.models"):
        importlib.import_module(module)
    from explorer import activations, catalogue, models

    activations.layers(models.load(catalogue.DEFAULT, "auto"))
    # Streamlit collects garbage after every run, and with torch imported a full collection holds everything up for
    # 250 ms. What has been imported by now stays for good: it need not be looked through again.
    gc.collect()
    gc.freeze()
