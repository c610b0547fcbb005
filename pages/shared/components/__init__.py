"""Components (v2): HTML, CSS and JavaScript in one file each, with the Python that packs their data."""
