"""Class activation maps that need one pass: a layer's channels, weighted and added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from explorer import activations, capture
from explorer.attribution.question import Found, Question, Target

if TYPE_CHECKING:
    from explorer.models import Model


def grad_cam(
    model: Model, inputs: Tensor, layer: str, target: int | None, against: int | None = None
) -> tuple[Tensor, Tensor, int]:
    """Grad-CAM before its ReLU (Selvaraju et al. 2017, equations 1, 2): channels weighted by their mean gradient.

    The caller holds the lock and has gradients enabled. Returns (raw map (h, w), logits (classes,), target).
    """
    output, logits = capture.tapped(model.module, inputs, layer)
    chosen = Target(target, against).chosen(logits[0])
    (gradient,) = torch.autograd.grad(chosen.score(logits)[0], output)
    found = activations.find(model, layer)
    assert chosen.index is not None
    return mean_weighted(found.maps(output.detach()), found.maps(gradient)), logits[0].detach(), chosen.index


def mean_weighted(maps: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM of maps and gradients (1, C, h, w): (h, w)."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # alpha, (1, C, 1, 1)
    return (weights * maps).sum(dim=1)[0]


def grad_cam_map(question: Question) -> Found:
    """Grad-CAM; on a transformer's tokens, the class token left out, it is the class-specific map of its patches."""
    maps, gradients, logits, target = question.slopes()
    return Found(mean_weighted(maps, gradients), logits, target)


def grad_cam_pp(question: Question) -> Found:
    """Grad-CAM++ (Chattopadhyay et al. 2018, equations 5 and 19), of the exponential of the score as in the paper.

    alpha = g² / (2 g² + g³ ΣA) = 1 / (2 + g ΣA): no epsilon, hence right for gradients of any size. The factor
    exp(score), which all weights share, is left out.
    """
    maps, gradients, logits, target = question.slopes()
    divisor = 2 + gradients * maps.sum(dim=(2, 3), keepdim=True)
    alpha = torch.where((gradients != 0) & (divisor != 0), 1 / divisor, 0)
    weights = (alpha * gradients.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
    return Found((weights * maps).sum(dim=1)[0], logits, target)


def hires_cam(question: Question) -> Found:
    """HiRes-CAM (Draelos and Carin 2020): each unit times its own gradient, added up over the channels."""
    maps, gradients, logits, target = question.slopes()
    return Found((gradients * maps).sum(dim=1)[0], logits, target)


def layer_cam(question: Question) -> Found:
    """Layer-CAM (Jiang et al. 2021): each unit times its own gradient where that is positive."""
    maps, gradients, logits, target = question.slopes()
    return Found((gradients.clamp(min=0) * maps).sum(dim=1)[0], logits, target)


def eigen_cam(question: Question) -> Found:
    """Eigen-CAM (Muhammad and Yeasin 2020): the positions on the maps' first right singular vector.

    As in the paper, nothing is centred first unless ``centred`` says so (as pytorch-grad-cam does). A singular vector's
    sign is arbitrary; here it is the one for which positions that answer strongly come out positive.
    """
    output, logits, target = question.read()
    maps = question.where.maps(output)[0]
    values = maps.flatten(1).T.double().cpu().numpy()  # (positions, channels)
    strength = np.linalg.norm(values, axis=1)
    if question.options["centred"]:
        values, strength = values - values.mean(axis=0), strength - strength.mean()
    # The small side's eigenvectors are the same and cheap, however many positions there are.
    if values.shape[1] <= values.shape[0]:
        _, vectors = np.linalg.eigh(values.T @ values)
        projection = values @ vectors[:, -1]
    else:
        squares, vectors = np.linalg.eigh(values @ values.T)
        projection = vectors[:, -1] * np.sqrt(max(squares[-1], 0))
    if projection @ strength < 0:
        projection = -projection
    return Found(torch.from_numpy(projection.reshape(maps.shape[1:])).float(), logits, target)
