"""A vision transformer's attention, followed from the class token down to the patches, as a map."""

from __future__ import annotations

import torch

from explorer import attention
from explorer.attribution.question import Found, Question


def rollout(question: Question) -> Found:
    """Attention rollout (Abnar and Zuidema 2020, section 3), as `attention.rollout` with its defaults.

    Attention asks about no class: of the logits it takes only the most probable class's name.
    """
    residual, discard = question.share("residual"), question.share("discard", whole=False)
    logits, target = question.answer()
    weights = attention.heard(question.model, question.inputs)
    rolled = attention.roll_out(weights, residual=residual, discard=discard)
    return Found(torch.from_numpy(rolled.patches.copy()).float(), logits, target)
