"""Tabs of the Feature maps page."""
