"""Tabs of the Receptive field page."""
