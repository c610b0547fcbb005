"""What the score does when a pixel changes."""

from __future__ import annotations

import torch

from explorer.attribution import baselines
from explorer.attribution.question import Found, Question

_BATCH = 4  # images a pass whose gradients are kept: VGG-16 takes 0.5 GB for them


def saliency(question: Question) -> Found:
    """Saliency (Simonyan et al. 2013): the largest absolute gradient among a pixel's colours."""
    gradient, logits, target = question.pixel_slopes(question.inputs)
    return Found(gradient[0].abs().amax(dim=0), logits[0], target, pixels=gradient)


def input_x_gradient(question: Question) -> Found:
    """Each pixel's value, less the mean colour of the training photos, times its gradient; the colours' sum."""
    gradient, logits, target = question.pixel_slopes(question.inputs)
    product = gradient * question.inputs
    return Found(product[0].sum(dim=0), logits[0], target, pixels=product)


def smooth_grad(question: Question) -> Found:
    """SmoothGrad (Smilkov et al. 2017): the mean gradient of noisy copies, then as for saliency.

    The noise is Gaussian; its deviation is a share of the input's range, as in the paper. Signed gradients are averaged
    first, so that what points in random directions cancels. The noise has a generator of its own: captum's takes
    torch's global one, so that visitors would change each other's maps.
    """
    samples, share = question.number("samples", 1, 1000), question.share("noise", " of the input's range")
    random = torch.Generator().manual_seed(question.number("seed", 0))
    inputs = question.inputs
    deviation = float(share * (inputs.max() - inputs.min()))
    logits, target = question.answer()
    steps = question.steps(samples)
    total = torch.zeros_like(inputs)
    for first in range(0, samples, _BATCH):
        steps.check()
        count = min(_BATCH, samples - first)
        noise = torch.randn((count, *inputs.shape[1:]), generator=random) * deviation
        # The class is fixed by the photo itself, whatever the noisy copies look like.
        gradient, _, _ = question.asking(target).pixel_slopes(inputs + noise.to(inputs.device))
        total += gradient.sum(dim=0, keepdim=True)
        steps.advance(count)
    mean = total / samples
    return Found(mean[0].abs().amax(dim=0), logits, target, pixels=mean)


def integrated_gradients(question: Question) -> Found:
    """Integrated gradients (Sundararajan et al. 2017) by captum: Gauss-Legendre steps from a baseline to the photo."""
    from captum.attr import IntegratedGradients

    count = question.number("steps", 1, 1000)
    picture = baselines.picture(question.options["baseline"], question.seen, question.number("seed", 0))
    baseline = question.model.preprocessing.normalise(picture).to(question.inputs.device)
    logits, target = question.answer()
    with question.model.lock, torch.no_grad():
        before = target.score(question.model.module(baseline))[0]
    steps = question.steps(count)
    scores = steps.forward(question, target)
    evidence = IntegratedGradients(scores, multiply_by_inputs=True).attribute(
        question.inputs.detach().clone().requires_grad_(True),
        baselines=baseline,
        n_steps=count,
        internal_batch_size=_BATCH,
    )
    evidence = evidence.detach().to(question.inputs.dtype)
    difference = float(target.score(logits[None])[0] - before)
    return Found(
        evidence[0].sum(dim=0),
        logits,
        target,
        pixels=evidence,
        baseline=picture,
        difference=difference,
        delta=float(evidence.double().sum()) - difference,
    )
