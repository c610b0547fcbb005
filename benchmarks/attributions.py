"""Attributions against bare passes and against grad-cam: python -m benchmarks.attributions [--rounds 9] [--memory].

CPU time of whole calls, from the photo to arrays. `grad-cam` gets a trainable network of the same weights and a
finished tensor, its usual input. ``--memory`` measures how much one call adds to the peak memory of a fresh process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from explorer import activations, attribution, images, models  # isort: skip  (sets how torch allocates, so before it)

import torch
from pytorch_grad_cam import AblationCAM, EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from benchmarks.measuring import paired, report

TARGET = 281
SINGLE = {"grad_cam": GradCAM, "grad_cam_pp": GradCAMPlusPlus, "hires_cam": HiResCAM, "layer_cam": LayerCAM}
SINGLE["eigen_cam"] = EigenCAM  # which has no way back to go
MANY = {"score_cam": ScoreCAM, "ablation_cam": AblationCAM}
MEASURED = {"vgg16": ("grad_cam", "score_cam", "ablation_cam", "integrated_gradients", "occlusion", "superpixels")}
MEASURED["vit_l_16"] = ("grad_cam", "tokens_cam", "score_cam", "ablation_cam", "integrated_gradients", "rollout")


def main() -> None:
    """Prints the ratios, or the memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory", action="store_true", help="peak memory on VGG-16 and ViT-L/16 instead")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        _one(*chosen.one)
    elif chosen.memory:
        _memory()
    else:
        _ratios(chosen.rounds)


def _ratios(rounds: int) -> None:
    photo = images.samples()["chelsea"].open().resize((224, 224))
    for slug in ("resnet50", "vgg16", "efficientnet_lite0"):
        model = models.load(slug, "auto" if slug.endswith("lite0") else "random", "cpu")
        layer, inputs = activations.default_layer(model).name, model.preprocess(photo)
        module = model.card.build().eval()
        module.load_state_dict(model.module.state_dict())
        print(f"\n{model.card.title} at {layer}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
        runs: dict[str, Callable[[], object]] = {"hook and gradient": _bare(module, inputs, layer)}
        for method, peer in SINGLE.items():
            runs[method] = _ours(model, photo, method, layer)
            runs[f"grad-cam's {peer.__name__}"] = _theirs(peer, module, inputs, layer)
        report(paired(runs, rounds), "hook and gradient", dict.fromkeys(SINGLE, 1.1))
    model = models.load("resnet18", "random", "cpu")
    layer, inputs = "layer3", model.preprocess(photo)
    module = model.card.build().eval()
    module.load_state_dict(model.module.state_dict())
    print(f"\n{model.card.title} at {layer}: 256 channels")
    for method, peer in MANY.items():
        name = f"grad-cam's {peer.__name__}"
        both = {name: _theirs(peer, module, inputs, layer), method: _ours(model, photo, method, layer)}
        report(paired(both, max(3, rounds // 3), warm_up=1), name, {method: 0.5})


def _bare(module: torch.nn.Module, inputs: torch.Tensor, layer: str) -> Callable[[], object]:
    def run() -> None:
        kept: list[torch.Tensor] = []
        handle = module.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        logits = module(inputs)
        torch.autograd.grad(logits[0, TARGET], kept[0])
        handle.remove()

    return run


def _ours(model: models.Model, photo: object, method: str, layer: str) -> Callable[[], object]:
    return lambda: attribution.attribute(model, photo, method, TARGET, layer)  # type: ignore[arg-type]


def _theirs(peer: type, module: torch.nn.Module, inputs: torch.Tensor, layer: str) -> Callable[[], object]:
    def run() -> None:
        with peer(model=module, target_layers=[module.get_submodule(layer)]) as cam:
            cam(input_tensor=inputs, targets=[ClassifierOutputTarget(TARGET)])

    return run


def _memory() -> None:
    for slug, methods in MEASURED.items():
        print(f"\n{slug}: peak memory that one call adds to the loaded network's, MB")
        for method in ("", *methods):
            command = [sys.executable, "-m", "benchmarks.attributions", "--one", slug, method]
            subprocess.run(command, check=True)


def _one(slug: str, method: str) -> None:
    """One call in a process of its own: its peak, less what the process held before."""
    photo = images.samples()["chelsea"].open()
    model = models.load(slug, "random", "cpu")
    activations.layers(model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if method:
        # The peak is that of a batch, however many channels are asked.
        options: dict[str, Any] = {"channels": 32} if method in MANY else {}
        attribution.attribute(model, photo, method, TARGET, **options)
    else:
        with torch.inference_mode():
            model.module(model.preprocess(photo))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{method or 'a forward pass':22s} {(after - before) / 1024:6.0f} (network {model.bytes / 1e6:.0f})", flush=True
    )


if __name__ == "__main__":
    main()
