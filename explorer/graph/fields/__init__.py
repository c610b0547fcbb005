"""Receptive fields of everything that runs, found by following the image's axes through PyTorch's own operations.

What is followed, exactly: convolutions and transposed ones, pooling, enlargement by whole factors, padding, cropping
and shifting, every view, joins, and attention, in windows too. What is not followed ends in None, never in a guess:
bins of unequal size, enlargement by other factors, gathering. Two simplifications: pixels that a cyclic shift (Swin's
roll) carries across the border count as padding, as Swin masks them; gaps between the pixels that are seen (dilation)
are counted in.
"""
