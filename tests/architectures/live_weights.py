"""Random weights under which a network is alive, for tests that compare two networks.

Fresh weights make every image give nearly the same logits near zero: then any two networks agree, and a wrong stride or
a forgotten shortcut goes unseen. Here convolutions and linear layers keep the variance, batch norms have statistics
measured on the images of the test (and then shaken), attention prefers some tokens to others, no class token, position
or layer scale is what it starts as, and no bias is zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def images(shape: tuple[int, ...] = (2, 3, 65, 97), seed: int = 1) -> Tensor:
    """Different images, odd-sized and not square, so that a wrong padding or a swapped axis shows."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make_live(module: nn.Module, batch: Tensor, seed: int = 0) -> nn.Module:
    """Fill `module`, which may be on the meta device, and return it on the CPU in evaluation mode.

    Args:
        module: any network of convolutions, linear layers, norms, attention and parameters of its own.
        batch: the images that the test will use; what the norms see stays near mean 0 and variance 1 for these.
        seed: of everything random.
    """
    random = torch.Generator().manual_seed(seed)
    module.to_empty(device="cpu").eval()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                part.weight.normal_(0, (2 / part.weight[0].numel()) ** 0.5, generator=random)
                if part.bias is not None:
                    part.bias.normal_(0, 0.1, generator=random)
            elif isinstance(part, nn.LayerNorm):
                part.weight.uniform_(0.5, 1.5, generator=random)
                part.bias.uniform_(-0.5, 0.5, generator=random)
            elif isinstance(part, nn.MultiheadAttention):
                part.in_proj_weight.normal_(0, (2 / part.embed_dim) ** 0.5, generator=random)
                part.in_proj_bias.normal_(0, 0.1, generator=random)
            elif not isinstance(part, nn.BatchNorm2d):  # class tokens, positions, layer scales
                for parameter in part.parameters(recurse=False):
                    parameter.normal_(0, 0.5, generator=random)
        _fill_norms(module, batch, random)
    return module


def assert_alive(logits: Tensor) -> None:
    """Fail unless the logits vary between classes and between the first two images."""
    assert torch.isfinite(logits).all()
    assert logits.std(dim=1).min() > 0.1
    assert (logits[0] - logits[1]).std() > 0.1


def _fill_norms(module: nn.Module, batch: Tensor, random: torch.Generator) -> None:
    """Give each batch norm, in the order they run, nearly the statistics of its input, and a random affine."""

    def fill(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        values = inputs[0].transpose(0, 1).flatten(1)  # (C, B H W)
        std = values.std(dim=1).clamp(min=1e-2)
        shake = torch.empty_like(std).uniform_(-0.3, 0.3, generator=random)
        norm.running_mean.copy_(values.mean(dim=1) + shake * std)
        norm.running_var.copy_((std * (1 + shake.flip(0))) ** 2)
        norm.weight.uniform_(0.5, 1.5, generator=random)
        norm.bias.uniform_(-0.5, 0.5, generator=random)
        norm.num_batches_tracked.fill_(1)

    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(fill) for norm in norms]
    module(batch)
    for handle in handles:
        handle.remove()
