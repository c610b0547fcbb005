"""The Performance page: its tabs."""
