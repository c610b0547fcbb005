"""One process or several: the same run on one device or, under torchrun, on one for each process.

The same numbers come out, but for rounding, as long as nothing in the network looks at a whole batch. Batch norms that
are trained do: on graphics cards their means are taken over all processes; on CPUs, where PyTorch cannot do that, over
each process's part of the batch, and the statistics that are checked and kept are the first one's.
"""

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
        """``module``, whose gradients become the mean of all processes' ones.

        Args:
            module: whose batch norms are exchanged for common ones where they may be at work and the device can.
            device: of this process.
            buffers: whether statistics change in training; each step then begins with the first process's.
        """
        if self.size == 1:
            return module
        if buffers and device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        places = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=places, broadcast_buffers=buffers)

    def share(self, module: nn.Module) -> None:
        """Gives every process the first one's buffers, which are those that are kept."""
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)

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
