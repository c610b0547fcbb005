"""What a network costs: its parameters and the multiply-accumulates of one image, counted without computing."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Cost:
    """Size and work of a network.

    Attributes:
        parameters: learnable numbers, those that layers share counted once.
        macs: multiply-accumulates of convolutions, linear layers and attention's two products, for one image; half of
            the FLOPs that PyTorch's formulas give. Norms, activations, pooling, biases and gates are not counted.
    """

    parameters: int
    macs: int


def count(module: nn.Module, input_shape: Sequence[int]) -> Cost:
    """Count the parameters of a network and its multiply-accumulates in evaluation.

    The module runs on PyTorch's meta device, which follows shapes and holds no numbers: ViT-L is counted in a second
    and needs no memory. What runs is a twin, so that the module keeps its mode, device and weights and may be used by
    other threads meanwhile; its hooks are not called. Attention cannot hide in a fused kernel, which would be counted
    as nothing or in part: PyTorch has none for the meta device.

    Args:
        module: any network with one input.
        input_shape: of one image with its batch axis, (1, C, H, W), or (1, ...) of whatever the module takes.

    Raises:
        ValueError: `input_shape` does not begin with 1. A larger batch cannot be divided afterwards, because a network
            may work independently of the batch (Swin v2's position bias).
    """
    if len(input_shape) < 2 or input_shape[0] != 1:
        raise ValueError(f"input_shape must be that of one image, (1, C, H, W), not {tuple(input_shape)}.")
    parameters = sum(parameter.numel() for parameter in module.parameters())
    image = torch.empty(*input_shape, device="meta")
    counter = _Counter()
    with torch.inference_mode(False), torch.no_grad(), counter:
        meta_twin(module)(image)
    return Cost(parameters, counter.flops // 2)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up PyTorch's own formulas for the operations of this thread.

    `FlopCounterMode` has the same formulas, but hooks every module of every thread to say where the work is done.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def meta_twin(module: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode and float32, with tensors that have shapes but no numbers, and without hooks."""
    # deepcopy looks into its memo first: with every tensor's twin in there, it copies the structure and no weights.
    twins = {id(tensor): _on_meta(tensor) for tensor in chain(module.parameters(), module.buffers())}
    twin = copy.deepcopy(module, twins)
    for part in twin.modules():
        part._forward_pre_hooks.clear()
        part._forward_hooks.clear()
    return twin.eval().float()


def _on_meta(tensor: Tensor) -> Tensor:
    twin = torch.empty_like(tensor, device="meta")
    return nn.Parameter(twin, requires_grad=False) if isinstance(tensor, nn.Parameter) else twin
