"""Other people's weight files under our names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor


def rename(state_dict: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the same tensors, in the same order, under new names.

    Args:
        state_dict: name -> tensor, as `torch.load` returns it.
        table: regular expression -> replacement (`re.sub`). Every rule is applied to every key, one after the other,
            each to what the rules before it left. A key that no rule matches keeps its name.

    Returns:
        A plain dict: PyTorch's version marks are left behind, so that files older than `num_batches_tracked` load too.

    Raises:
        ValueError: two keys would get the same name.
    """
    renamed: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for key, tensor in state_dict.items():
        name = key
        for pattern, replacement in table.items():
            name = re.sub(pattern, replacement, name)
        if name in renamed:
            raise ValueError(f"{origin[name]!r} and {key!r} would both be renamed to {name!r}.")
        renamed[name] = tensor
        origin[name] = key
    return renamed
