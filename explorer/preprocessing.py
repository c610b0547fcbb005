"""From a photo to what a network sees, and from there to its input tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the training set, RGB in [0, 1]; every torchvision recipe uses it
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """A square from the middle of the photo, at the size the network was trained for, normalised.

    Two recipes exist. torchvision's ``ImageClassification`` resizes the short side and crops the centre; TensorFlow's
    EfficientNet crops first and resizes the square, which moves it by a pixel and filters it a little differently.

    Attributes:
        resize: length of the short side, pixels, of which the crop is a part.
        crop: side of the square that the network sees, pixels.
        interpolation: 'bilinear' or 'bicubic', with antialiasing.
        mean: subtracted per channel from values in [0, 1]; a single one stands for a grey input.
        std: divides per channel.
        crop_first: TensorFlow's order instead of torchvision's.
    """

    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop_first: bool = False

    @property
    def channels(self) -> int:
        """Channels of the input: 3 for RGB, 1 for grey."""
        return len(self.mean)

    def view(self, image: Image.Image) -> Image.Image:
        """What the network sees: an RGB image of ``crop`` x ``crop`` pixels, without colours if the input is grey."""
        rgb, kind = image.convert("RGB"), _FILTERS[self.interpolation]
        if self.channels == 1:
            rgb = rgb.convert("L").convert("RGB")
        if self.crop_first:
            return rgb.crop(self._square(*rgb.size)).resize((self.crop, self.crop), kind)
        size = self._resized(*rgb.size)
        left, top = self._corner(*size)
        return rgb.resize(size, kind).crop((left, top, left + self.crop, top + self.crop))

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The seen square (left, top, right, bottom) in pixels of a ``width`` x ``height`` photo."""
        if self.crop_first:
            return self._square(width, height)
        resized_width, resized_height = self._resized(width, height)
        x, y = width / resized_width, height / resized_height
        left, top = self._corner(resized_width, resized_height)
        return left * x, top * y, (left + self.crop) * x, (top + self.crop) * y

    def seen(self, image: Image.Image) -> tuple[float, float, float, float]:
        """The part of ``image`` that the network sees (left, top, right, bottom), pixels; it may reach beyond it."""
        return self.box(*image.size)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        short, long = sorted((width, height))
        other = max(1, int(self.resize * long / short))  # torchvision truncates the long side
        return (self.resize, other) if width <= height else (other, self.resize)

    def _corner(self, width: int, height: int) -> tuple[int, int]:
        return round((width - self.crop) / 2), round((height - self.crop) / 2)  # torchvision rounds the corner

    def _square(self, width: int, height: int) -> tuple[int, int, int, int]:
        side = max(1, int(self.crop / self.resize * min(width, height)))
        left, top = (width - side + 1) // 2, (height - side + 1) // 2  # as TensorFlow's efficientnet preprocessing
        return left, top, left + side, top + side

    def tensor(self, image: Image.Image) -> torch.Tensor:
        """The network's input for ``image``: float32, shape (1, C, crop, crop)."""
        return self.normalise(np.asarray(self.view(image)))

    def normalise(self, seen: np.ndarray) -> torch.Tensor:
        """Turns a seen picture, uint8 (H, W, 3), into the input tensor, float32 (1, C, H, W)."""
        import torch

        # Of a grey picture all three channels are equal, and one is enough.
        values = torch.from_numpy(np.array(seen[..., : self.channels])).permute(2, 0, 1).contiguous().float().div(255)
        mean, std = torch.tensor(self.mean).view(-1, 1, 1), torch.tensor(self.std).view(-1, 1, 1)
        return values.sub(mean).div(std).unsqueeze(0)


def centre_crop(size: int, channels: int = 3) -> Preprocessing:
    """The usual recipe for an input of ``size``: the crop covers 7/8 of the short side (224 of 256).

    A grey input takes the means of ImageNet's three.
    """
    if channels == 3:
        return Preprocessing(resize=round(size / 0.875), crop=size)
    mean, std = sum(IMAGENET_MEAN) / 3, sum(IMAGENET_STD) / 3
    return Preprocessing(resize=round(size / 0.875), crop=size, mean=(mean,) * channels, std=(std,) * channels)
