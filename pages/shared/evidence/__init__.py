"""Tabs of the Attribution page."""
