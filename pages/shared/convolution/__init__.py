"""Tabs of the Convolution page."""
