"""The four steps of the Transfer learning page."""
