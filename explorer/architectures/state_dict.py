"""Other people's weight files under our names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor


def rename(state_dict: Mapping[str, Tensor], table: Mapping[str, str | None]) -> dict[str, Tensor]:
    """Return the same tensors, in the same order, under new names; without those that the table drops.

    Args:
        state_dict: name -> tensor, as `torch.load` returns it.
        table: regular expression -> replacement (`re.sub`). Every rule is applied to every key, one after the other,
            each to what the rules before it left. A key that no rule matches keeps its name. Where the replacement is
            None, the tensor is left out (GoogLeNet's auxiliary heads).

    Returns:
        A plain dict: PyTorch's version marks are left behind, so that files older than `num_batches_tracked` load too.

    Raises:
        ValueError: two keys would get the same name.
    """
    renamed: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for key, tensor in state_dict.items():
        name = _renamed(key, table)
        if name is None:
            continue
        if name in renamed:
            raise ValueError(f"{origin[name]!r} and {key!r} would both be renamed to {name!r}.")
        renamed[name] = tensor
        origin[name] = key
    return renamed


def _renamed(name: str, table: Mapping[str, str | None]) -> str | None:
    for pattern, replacement in table.items():
        if replacement is not None:
            name = re.sub(pattern, replacement, name)
        elif re.search(pattern, name):
            return None
    return name
