"""How sizes and counts come about: closed forms of convolution and pooling."""

from __future__ import annotations

from explorer.errors import ExplorerError


class IllegalSetting(ExplorerError):
    """PyTorch would refuse this setting; the message names the value, the rule and the remedy."""


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Positions of a sliding window along one axis: floor((n + 2p - d(k - 1) - 1) / s) + 1.

    Args:
        size: n, pixels of the input.
        kernel: k, weights along the axis.
        stride: s, pixels from one position to the next.
        padding: p, pixels added at each end.
        dilation: d, pixels from one weight to the next.

    Raises:
        IllegalSetting: a value is out of range, or the window is larger than the padded input.
    """
    for name, value, least in (
        ("size", size, 1),
        ("kernel", kernel, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
    ):
        if value < least:
            raise IllegalSetting(f"The {name} must be at least {least}, not {value}.")
    if padding < 0:
        raise IllegalSetting(f"The padding must be at least 0, not {padding}.")
    window = dilation * (kernel - 1) + 1
    if window > size + 2 * padding:
        raise IllegalSetting(
            f"A window of {window} does not fit into {size + 2 * padding} pixels (padding included); "
            "choose a smaller kernel or dilation, or more padding."
        )
    return (size + 2 * padding - window) // stride + 1


def parameter_count(
    in_channels: int, out_channels: int, kernel: int | tuple[int, int], *, bias: bool = True, groups: int = 1
) -> int:
    """Learnable numbers of a convolution: (k_h k_w C_in / groups + 1) C_out, without the 1 if it has no bias.

    Raises:
        IllegalSetting: the channels cannot be divided into the groups.
    """
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise IllegalSetting(
            f"{in_channels} input and {out_channels} output channels cannot be divided into {groups} groups; "
            "both must be multiples of the groups."
        )
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return (height * width * in_channels // groups + bias) * out_channels


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """Pixels that a transposed convolution makes along one axis: (n - 1) s - 2p + d(k - 1) + output_padding + 1.

    Args:
        size: n, pixels of the input.
        kernel: k, weights along the axis.
        stride: s, pixels of the output from one stamp of the kernel to the next.
        padding: p, pixels cut off at each end of the output.
        output_padding: pixels added at the end, to choose between the sizes that a stride maps to the same one.
        dilation: d, pixels from one weight to the next.

    Raises:
        IllegalSetting: a value is out of range, or nothing is left of the output.
    """
    for name, value, least in (
        ("size", size, 1),
        ("kernel", kernel, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
        ("padding", padding, 0),
        ("output padding", output_padding, 0),
    ):
        if value < least:
            raise IllegalSetting(f"The {name} must be at least {least}, not {value}.")
    if output_padding >= max(stride, dilation):
        raise IllegalSetting(
            f"An output padding of {output_padding} must be smaller than the stride ({stride}) or the dilation "
            f"({dilation}); choose at most {max(stride, dilation) - 1}."
        )
    full = (size - 1) * stride + dilation * (kernel - 1) + output_padding + 1
    if full - 2 * padding < 1:
        raise IllegalSetting(
            f"A padding of {padding} cuts away all {full} pixels of the output; choose at most {(full - 1) // 2}."
        )
    return full - 2 * padding
