"""Grad-CAM and feature maps against bare forward passes: python -m benchmarks.networks [--rounds 15].

CPU time of the whole call, from the photo (224 x 224) to arrays; the bare passes start from a finished tensor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from explorer import activations, attribution, images, models  # isort: skip  (sets how torch allocates, so before it)

import torch

from benchmarks.measuring import paired, report


def main() -> None:
    """Prints both ratios for ResNet-50 and for the default network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    photo = images.samples()["chelsea"].open().resize((224, 224))
    for slug, weights in (("resnet50", "random"), ("efficientnet_lite0", "bundled")):
        model = models.load(slug, weights, "cpu")
        inputs = model.preprocess(photo)
        layer = activations.default_layer(model).name
        print(f"\n{model.card.title}, {torch.get_num_threads()} thread(s), torch {torch.__version__}, {rounds} rounds")
        bare, bare_cam = _bare(model, inputs), _bare_cam(model, inputs, layer)
        both = paired({"bare": bare_cam, "Grad-CAM": lambda: attribution.attribute(model, photo, target=0)}, rounds)  # noqa: B023
        report(both, "bare", {"Grad-CAM": 1.1})
        both = paired({"bare": bare, "all layers": lambda: activations.feature_maps(model, photo)}, rounds)  # noqa: B023
        report(both, "bare", {"all layers": 1.3})


def _bare(model: models.Model, inputs: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            model.module(inputs)

    return run


def _bare_cam(model: models.Model, inputs: torch.Tensor, layer: str) -> Callable[[], None]:
    """A forward pass with one hook and ``autograd.grad`` to that layer, on a trainable network of the same kind."""
    module = model.card.build().eval()
    module.load_state_dict(model.module.state_dict())

    def run() -> None:
        kept: list[torch.Tensor] = []
        handle = module.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        logits = module(inputs)
        torch.autograd.grad(logits[0, 0], kept[0])
        handle.remove()

    return run


if __name__ == "__main__":
    main()
