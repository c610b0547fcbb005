"""The counter of parameters and multiply-accumulates."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.cost import Cost, count


class Toy(nn.Module):
    """Everything that counts and everything that does not, small enough to count by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, (3, 5), stride=2, padding=1, groups=2)  # 9 x 13 -> 5 x 6
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)  # 5 x 6 -> 10 x 12
        self.drop = nn.Dropout(0.5)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu(self.norm(self.conv(x))))
        logits: Tensor = self.fc(self.pool(self.up(x)).flatten(1))
        return logits


TOY = Cost(
    parameters=(8 * 2 * 15 + 8) + (8 + 8) + (8 * 6 * 4 + 6) + (24 * 10 + 10),
    macs=(5 * 6) * 8 * 2 * 15 + (5 * 6) * 8 * 6 * 4 + 24 * 10,  # a transposed convolution works once an input pixel
)


def test_toy_equals_the_count_by_hand():
    assert count(Toy(), (1, 4, 9, 13)) == TOY


@pytest.mark.parametrize(("name", "macs"), [("vit_b_16", 17_563_828_224), ("vit_b_32", 4_409_186_304)])
def test_attention_is_counted_in_full_whatever_the_kernels_allowed(name, macs):
    with torch.device("meta"):
        network = getattr(torchvision.models, name)().eval()
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    assert count(network, (1, 3, 224, 224)) == Cost(weights.meta["num_params"], macs)
    assert round(macs / 1e9, 3) == weights.meta["_ops"]
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
        assert count(network, (1, 3, 224, 224)).macs == macs


def test_attention_on_the_cpu_hides_from_pytorchs_counter_but_not_from_ours():
    attention = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    tokens, width, hidden = 10, 16, 32
    macs = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * hidden
    assert count(attention, (1, tokens, width)).macs == macs
    with torch.no_grad(), torch.utils.flop_counter.FlopCounterMode(display=False) as theirs:
        attention(torch.ones(1, tokens, width))
    assert theirs.get_total_flops() // 2 < macs


def test_work_that_does_not_depend_on_the_batch_is_counted_as_published():
    network = torchvision.models.swin_v2_t()
    assert round(count(network, (1, 3, 256, 256)).macs / 1e9, 3) == 5.94
    with pytest.raises(ValueError, match="one image"):
        count(network, (2, 3, 256, 256))


@pytest.mark.parametrize("shape", [(), (1,), (3, 224, 224), (0, 3, 8, 8)])
def test_a_shape_without_a_batch_of_one_is_refused(shape):
    with pytest.raises(ValueError, match="one image"):
        count(Toy(), shape)


def test_shared_parameters_count_once():
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    assert count(nn.Sequential(first, second), (1, 8)) == Cost(parameters=8 * 8 + 8 + 8, macs=2 * 64)


def test_nothing_is_computed_and_no_weight_is_copied():
    big = nn.Linear(1, 1, bias=False)
    big.weight = nn.Parameter(torch.zeros(1).expand(10**6, 10**6))  # 4 TB, if anyone copied it
    assert count(big, (1, 10**6)) == Cost(10**12, 10**12)


def test_the_module_is_as_before():
    module = Toy().train()
    module.norm.eval()
    module.fc.weight.requires_grad_(False)
    seen: list[object] = []
    module.fc.register_forward_hook(lambda part, inputs, out: seen.append(out))
    module.conv.register_forward_pre_hook(lambda part, inputs: seen.append(inputs))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    tensors = {key: (id(value), value.device, value.requires_grad) for key, value in module.named_parameters()}

    assert count(module, (1, 4, 9, 13)) == TOY

    assert module.training
    assert module.fc.training
    assert not module.norm.training
    assert seen == []
    module(torch.ones(2, 4, 9, 13))
    assert len(seen) == 2  # its hooks are still there
    module.norm.eval()
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert {key: (id(value), value.device, value.requires_grad) for key, value in module.named_parameters()} == tensors
    assert all(parameter.grad is None for parameter in module.parameters())


def switches() -> tuple[object, ...]:
    """Return all that a counter could be tempted to turn for the whole process or thread."""
    return (
        torch.backends.mha.get_fastpath_enabled(),
        *(getattr(torch.backends.cuda, f"{kernel}_sdp_enabled")() for kernel in ("flash", "mem_efficient", "math")),
        torch.get_default_device(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        len(nn.modules.module._global_forward_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
    )


class Witness(nn.Module):
    """Notes the switches while it is being counted."""

    def __init__(self, note: Callable[[tuple[object, ...]], None]) -> None:
        super().__init__()
        self.layers = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.note = note

    def forward(self, x: Tensor) -> Tensor:
        other = threading.Thread(target=lambda: self.note(switches()))
        other.start()
        other.join()
        result: Tensor = self.layers(x)
        return result


def test_switches_of_the_process_are_as_before_and_other_threads_see_none_turned():
    before = switches()
    during: list[tuple[object, ...]] = []
    count(Witness(during.append), (1, 10, 16))
    assert during == [before]
    assert switches() == before
    with pytest.raises(RuntimeError):
        count(Toy(), (1, 3, 9, 13))  # wrong number of channels
    assert switches() == before


def test_a_network_in_training_is_counted_as_in_evaluation():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.ones(1, 3, 8, 8))
    assert count(network, (1, 3, 8, 8)).macs == 36 * 4 * 27


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_callers_gradient_mode_makes_no_difference(context):
    with context():
        assert count(Toy(), (1, 4, 9, 13)) == TOY


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_modules_precision_makes_no_difference(dtype):
    module = Toy().to(dtype)
    assert count(module, (1, 4, 9, 13)) == TOY
    assert module.fc.weight.dtype == dtype


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_the_gpu_is_counted_without_touching_it():
    module = Toy().cuda()
    used = torch.cuda.memory_allocated()
    assert count(module, (1, 4, 9, 13)) == TOY
    assert torch.cuda.memory_allocated() == used
    assert module.fc.weight.is_cuda


def test_many_threads_count_at_once():
    results: list[Cost] = []
    module = Toy()
    threads = [threading.Thread(target=lambda: results.append(count(module, (1, 4, 9, 13)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [TOY] * 8
