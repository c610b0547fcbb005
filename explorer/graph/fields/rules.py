"""Which rule fits which of PyTorch's own operations."""

from __future__ import annotations

from functools import partial

from explorer.graph.fields import common, mixing, moving, sliding
from explorer.graph.fields.common import Rule

_NAMES: tuple[tuple[Rule, str], ...] = (
    (
        common.same,
        "alias detach lift_fresh _to_copy as_strided hardswish prelu _prelu_kernel native_dropout contiguous",
    ),
    (common.same, "native_channel_shuffle channel_shuffle"),
    (common.pointwise, "where masked_fill"),
    (common.pointwise, "celu elu hardsigmoid hardtanh leaky_relu selu"),  # PyTorch 2.6 does not mark them
    (sliding.convolution, "convolution"),
    (partial(sliding.pool, 1), "avg_pool1d max_pool1d"),
    (partial(sliding.pool, 2), "avg_pool2d max_pool2d_with_indices"),
    (partial(sliding.pool, 3), "avg_pool3d max_pool3d_with_indices"),
    (partial(sliding.adaptive_pool, 2), "_adaptive_avg_pool2d adaptive_max_pool2d"),
    (partial(sliding.interpolated, "nearest"), "upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d"),
    (partial(sliding.interpolated, "linear"), "upsample_linear1d upsample_bilinear2d"),
    (partial(sliding.interpolated, "cubic"), "upsample_bicubic2d"),
    (sliding.shuffled, "pixel_shuffle"),
    (moving.copied, "copy"),
    (moving.filled, "fill zero new_zeros new_ones new_full new_empty zeros_like ones_like full_like empty_like"),
    (moving.cut, "slice"),
    (moving.piece, "split split_with_sizes unsafe_split"),
    (moving.select, "select unbind"),
    (moving.roll, "roll"),
    (moving.pad, "constant_pad_nd reflection_pad2d replication_pad2d"),
    (moving.view, "view _unsafe_view _reshape_alias squeeze"),
    (moving.permute, "permute"),
    (moving.transpose, "transpose t"),
    (moving.unsqueeze, "unsqueeze"),
    (moving.expand, "expand"),
    (moving.indexed, "index"),
    (mixing.cat, "cat"),
    (mixing.reduced, "mean sum amax amin max min argmax prod logsumexp linalg_vector_norm var std var_mean"),
    (mixing.softmax, "_softmax _safe_softmax _log_softmax"),
    (mixing.layer_norm, "native_layer_norm"),
    (mixing.group_norm, "native_group_norm"),
    (mixing.batch_norm, "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training"),
    (partial(mixing.product, "self", "mat2"), "mm bmm"),
    (partial(mixing.product, "mat1", "mat2"), "addmm"),
    (partial(mixing.product, "batch1", "batch2"), "baddbmm"),
)

RULES: dict[str, Rule] = {name: rule for rule, names in _NAMES for name in names.split()}
"""By the operation's name without 'aten::' and the underscore of an in-place one."""
