"""One process or several: the same run on one device or, under torchrun, on one for each process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from explorer import devices


@dataclass(frozen=True)
class World:
    """The processes that train together.

    Attributes:
        rank: number of this one.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of all processes' ``values``, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wrap(self, module: nn.Module, device: torch.device, buffers: bool) -> nn.Module:
        """``module``, whose gradients become the mean of all processes' ones."""
        if self.size == 1:
            return module
        places = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=places, broadcast_buffers=buffers)

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            dist.barrier()


def world() -> World:
    """The processes that train together with this one."""
    if not dist.is_available() or not dist.is_initialized():
        return World()
    return World(dist.get_rank(), dist.get_world_size())


@contextmanager
def joined(device: str = "auto") -> Iterator[str]:
    """Joins the processes that torchrun started, if it did, and tells the name of this one's device.

    Args:
        device: asked for; under torchrun 'auto' is the graphics card of this process's number, else the CPU.
    """
    if "LOCAL_RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    cards = [name for name in devices.available() if name.startswith("cuda")]
    use_cards = bool(cards) and device in ("auto", "cuda")
    local = int(os.environ["LOCAL_RANK"])
    if use_cards:
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if use_cards else "gloo")
    try:
        yield cards[local] if use_cards else "cpu"
    finally:
        dist.destroy_process_group()
