"""The methods as cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from explorer.attribution import attending, cams, channels, gradients, guided, perturbation
from explorer.attribution.question import Found, Question


@dataclass(frozen=True)
class Method:
    """One way to attribute.

    Attributes:
        key: its name in code and links.
        title: its name for people.
        summary: one sentence on what it computes.
        paper: where it was published.
        compute: the computation.
        family: 'CAM' (weighs a layer's channels), 'gradient' (follows the score down to the pixels), 'perturbation'
            (hides parts of the photo) or 'attention' (follows what tokens listen to).
        cost: how many passes through the network it takes; C is the number of the layer's channels.
        reads: 'layer' (one to choose), 'tokens' (the last ones of a transformer that matter), 'attention' (that of all
            blocks) or 'pixels'.
        signed: whether negative values mean evidence against the class.
        asks_class: whether the map depends on the class at all.
        needs_influence: whether the layer's positions must be able to change the score.
        needs_relu: whether it is defined only where every activation function is a ReLU.
        options: names of its keyword arguments with their defaults.
    """

    key: str
    title: str
    summary: str
    paper: str
    compute: Callable[[Question], Found] = field(repr=False)
    family: Literal["CAM", "gradient", "perturbation", "attention"] = "CAM"
    cost: str = "1 pass"
    reads: Literal["layer", "tokens", "attention", "pixels"] = "layer"
    signed: bool = True
    asks_class: bool = True
    needs_influence: bool = True
    needs_relu: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def needs_layer(self) -> bool:
        """Whether a layer must be chosen."""
        return self.reads == "layer"


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


_CHANNELS = {"batch": None, "channels": None}

_ALL = (
    Method(
        key="grad_cam",
        title="Grad-CAM",
        summary="Adds up the layer's channels, each weighted by how much the class's logit rises with it on average.",
        paper=_arxiv("1610.02391"),
        compute=cams.grad_cam_map,
    ),
    Method(
        key="grad_cam_pp",
        title="Grad-CAM++",
        summary="Like Grad-CAM, but only rising gradients count, so that several objects of one class all show.",
        paper=_arxiv("1710.11063"),
        compute=cams.grad_cam_pp,
    ),
    Method(
        key="hires_cam",
        title="HiRes-CAM",
        summary="Multiplies each unit by its own gradient, so that no place borrows the weight of another.",
        paper=_arxiv("2011.08891"),
        compute=cams.hires_cam,
    ),
    Method(
        key="layer_cam",
        title="Layer-CAM",
        summary="Multiplies each unit by its own gradient where that is positive; works at early layers too.",
        paper="https://doi.org/10.1109/TIP.2021.3089943",
        compute=cams.layer_cam,
    ),
    Method(
        key="score_cam",
        title="Score-CAM",
        summary="Looks at the photo through each channel, and weighs the channel by the score that is left.",
        paper=_arxiv("1910.01279"),
        compute=channels.score_cam,
        cost="~C passes",
        needs_influence=False,
        options=_CHANNELS,
    ),
    Method(
        key="ablation_cam",
        title="Ablation-CAM",
        summary="Switches off each channel in turn, and weighs it by how much the score falls.",
        paper="https://doi.org/10.1109/WACV45572.2020.9093360",
        compute=channels.ablation_cam,
        cost="~C passes from the layer on",
        options=_CHANNELS,
    ),
    Method(
        key="eigen_cam",
        title="Eigen-CAM",
        summary="Shows what the layer's channels have most in common, whatever the class.",
        paper=_arxiv("2008.00299"),
        compute=cams.eigen_cam,
        signed=False,
        asks_class=False,
        needs_influence=False,
        options={"centred": False},
    ),
    Method(
        key="saliency",
        title="Saliency",
        summary="Shows how strongly the score reacts to a small change of each pixel, up or down.",
        paper=_arxiv("1312.6034"),
        compute=gradients.saliency,
        family="gradient",
        reads="pixels",
        signed=False,
    ),
    Method(
        key="input_x_gradient",
        title="Input × gradient",
        summary="Multiplies each pixel by its gradient: a first guess at what the pixel adds to the score.",
        paper=_arxiv("1605.01713"),
        compute=gradients.input_x_gradient,
        family="gradient",
        reads="pixels",
    ),
    Method(
        key="integrated_gradients",
        title="Integrated gradients",
        summary="Follows the score from an empty picture to the photo, and shares its rise among the pixels.",
        paper=_arxiv("1703.01365"),
        compute=gradients.integrated_gradients,
        family="gradient",
        cost="32 passes (steps)",
        reads="pixels",
        options={"steps": 32, "baseline": "blur", "seed": 0},
    ),
    Method(
        key="smooth_grad",
        title="SmoothGrad",
        summary="Averages the gradient over noisy copies of the photo, so that what is only noise in it cancels.",
        paper=_arxiv("1706.03825"),
        compute=gradients.smooth_grad,
        family="gradient",
        cost="16 passes (samples)",
        reads="pixels",
        signed=False,
        options={"samples": 16, "noise": 0.15, "seed": 0},
    ),
    Method(
        key="guided_backprop",
        title="Guided backpropagation",
        summary="Follows the gradient down and drops at each ReLU what speaks against the class; sharp, but barely "
        "depends on the class.",
        paper=_arxiv("1412.6806"),
        compute=guided.guided_backprop,
        family="gradient",
        reads="pixels",
        needs_relu=True,
    ),
    Method(
        key="guided_grad_cam",
        title="Guided Grad-CAM",
        summary="Multiplies guided backpropagation by Grad-CAM: sharp lines, only where the class is.",
        paper=_arxiv("1610.02391"),
        compute=guided.guided_grad_cam,
        family="gradient",
        cost="2 passes",
        needs_relu=True,
    ),
    Method(
        key="occlusion",
        title="Occlusion",
        summary="Moves a grey square over the photo and notes by how much the score falls.",
        paper=_arxiv("1311.2901"),
        compute=perturbation.occlusion,
        family="perturbation",
        cost="~170 passes (places)",
        reads="pixels",
        options={"window": None, "stride": None},
    ),
    Method(
        key="superpixels",
        title="Superpixels",
        summary="Paints regions of like colour grey, one at a time, and notes by how much the score falls.",
        paper="https://doi.org/10.1109/TPAMI.2012.120",
        compute=perturbation.superpixels,
        family="perturbation",
        cost="~50 passes (regions)",
        reads="pixels",
        options={"segments": 50},
    ),
    Method(
        key="tokens_cam",
        title="CAM on tokens",
        summary="Grad-CAM for a vision transformer, read where its patches are compared for the last time.",
        paper=_arxiv("1610.02391"),
        compute=cams.grad_cam_map,
        reads="tokens",
    ),
    Method(
        key="rollout",
        title="Attention rollout",
        summary="Follows what the class token listens to down through all blocks, whatever the class.",
        paper=_arxiv("2005.00928"),
        compute=attending.rollout,
        family="attention",
        cost="2 passes",
        reads="attention",
        signed=False,
        asks_class=False,
        needs_influence=False,
        options={"residual": 0.5, "discard": 0.0},
    ),
)

METHODS: dict[str, Method] = {method.key: method for method in _ALL}
