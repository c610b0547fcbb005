"""Parts of the Detection page: one file for each step from a picture to its boxes."""
