"""Vision Transformer (ViT): an image cut into patches, read like the words of a sentence.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", 2020
(arXiv:2010.11929). Figure 1 is the network, equations 1-4 its forward, equations 5-8 (appendix A) attention, Table 1
the sizes: Base has 12 blocks of width 768, Large 24 of 1024.

Deviations from the paper: the class token's output goes straight into one linear layer, as in the paper's fine-tuning
and in torchvision (its pre-training has a hidden layer there). Layer norms add 1e-6 to the variance, as the published
weights were trained with; the guide's have PyTorch's 1e-5, which moves the logits by 1e-5 of their size. Attention is
written out, so that its weights can be looked at; torchvision's fused kernel rounds a little differently.
`RENAMES` turns torchvision's keys, old and new, into ours.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.architectures.image_size import require_size

# torchvision's names -> ours, for `state_dict.rename`. Its files still call the MLP's layers linear_1 and linear_2.
# fmt: off
RENAMES = {
    r"^conv_proj\.":                        "patch_embedding.projection.",
    r"^encoder\.pos_embedding$":            "position_embedding",
    r"^encoder\.layers\.encoder_layer_":    "blocks.",
    r"\.ln_([12])\.":                      r".norm\1.",
    r"\.self_attention\.in_proj_":          ".attention.qkv.",
    r"\.self_attention\.out_proj\.":        ".attention.projection.",
    r"\.mlp\.linear_1\.":                   ".mlp.0.",
    r"\.mlp\.linear_2\.":                   ".mlp.3.",
    r"^encoder\.ln\.":                      "norm.",
    r"^heads\.head\.":                      "head.",
}
# fmt: on

NORM_EPS = 1e-6


class PatchEmbedding(nn.Module):
    """Cuts an image into patches and projects each to a token: (B, in_channels, S, S) -> (B, N, D).

    The tokens come row by row, from the top left. Equation 1: a convolution whose stride is its kernel applies the same
    matrix E to every patch.

    Args:
        image_size: S, side of the image, pixels; a multiple of `patch_size`.
        patch_size: P, side of a patch, pixels.
        in_channels: channels of the image.
        dim: D, length of a token.

    Attributes:
        num_patches: N = (S / P)².
    """

    def __init__(self, image_size: int = 224, patch_size: int = 16, in_channels: int = 3, dim: int = 768) -> None:
        super().__init__()
        if image_size % patch_size != 0:
            raise ValueError(f"image_size must be a multiple of patch_size: {image_size} is none of {patch_size}.")
        self.num_patches = (image_size // patch_size) ** 2
        self.projection = nn.Conv2d(in_channels, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens. Shapes are those of the default arguments."""
        # fmt: off
        x = self.projection(x)                           # (B, 768, 14, 14)
        tokens: Tensor = x.flatten(2).transpose(1, 2)    # (B, 196, 768)
        # fmt: on
        return tokens


class MultiHeadSelfAttention(nn.Module):
    """Every token asks all tokens, and takes from each what it answers: (B, N, D) -> (B, N, D). Equations 5-8.

    Args:
        dim: D, length of a token.
        heads: h, number of questions that a token asks at once, each in d = D / h dimensions.
        dropout: probability after the projection, in training.
    """

    def __init__(self, dim: int = 768, heads: int = 12, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % heads != 0:
            raise ValueError(f"dim must be a multiple of heads: {dim} is none of {heads}.")
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attend = nn.Softmax(dim=-1)
        self.projection = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what each token asks, answers to, and tells: three times (B, h, N, d). Equation 5."""
        # fmt: off
        batch, tokens, dim = x.shape
        qkv = self.qkv(x)                                                         # (B, N, 3D)
        qkv = qkv.reshape(batch, tokens, 3, self.heads, dim // self.heads)        # (B, N, 3, h, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)                                      # (B, h, N, d) each
        # fmt: on
        return q, k, v

    def compare(self, q: Tensor, k: Tensor) -> Tensor:
        """Return how much each token (row) listens to each token (column), (B, h, N, N); rows sum to 1. Equation 6."""
        weights: Tensor = self.attend(q @ k.transpose(-2, -1) * self.scale)
        return weights

    def weights(self, x: Tensor) -> Tensor:
        """Return the attention that `forward` pays between the tokens of x, (B, h, N, N), without the rest of it."""
        q, k, _ = self.queries_keys_values(x)
        return self.compare(q, k)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted values of all heads, side by side and projected (equations 7 and 8)."""
        # fmt: off
        q, k, v = self.queries_keys_values(x)            # (B, h, N, d) each
        weights = self.compare(q, k)                     # (B, h, N, N)
        x = (weights @ v).transpose(1, 2).flatten(2)     # (B, N, D)
        out: Tensor = self.dropout(self.projection(x))   # (B, N, D)
        # fmt: on
        return out


class TransformerBlock(nn.Module):
    """Attention between tokens, then an MLP on each, both normed first and added: (B, N, D) -> (B, N, D). Figure 1.

    Args:
        dim: D, length of a token.
        heads: of the attention.
        mlp_ratio: factor by which the MLP's middle is wider than a token.
        dropout: probability after each dense layer but the queries, keys and values (appendix B.1), in training.
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attention = MultiHeadSelfAttention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        # fmt: off
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_ratio * dim),   # (B, N, 4D)
            nn.GELU(),                         # (B, N, 4D)
            nn.Dropout(dropout),               # (B, N, 4D)
            nn.Linear(mlp_ratio * dim, dim),   # (B, N, D)
            nn.Dropout(dropout),               # (B, N, D)
        )
        # fmt: on

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens after one round of talking and thinking."""
        # fmt: off
        x = x + self.attention(self.norm1(x))          # (B, N, D)  equation 2
        out: Tensor = x + self.mlp(self.norm2(x))      # (B, N, D)  equation 3
        # fmt: on
        return out


class VisionTransformer(nn.Module):
    """Patches, a class token, positions, blocks, and a linear classifier: (B, in_channels, S, S) -> (B, num_classes).

    It takes images of exactly one size, because it has learnt one position for each patch; `resize_positions` makes
    those of another size from them.

    Args:
        image_size: S, see `PatchEmbedding`.
        patch_size: see `PatchEmbedding`.
        in_channels: channels of the image.
        num_classes: length of the output.
        dim: D, length of a token.
        depth: number of blocks.
        heads: of each block's attention.
        mlp_ratio: see `TransformerBlock`.
        dropout: see `TransformerBlock`; also after adding the positions.
    """

    def __init__(
        self,
        image_size: int = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        num_classes: int = 1000,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.patch_size = patch_size
        self.patch_embedding = PatchEmbedding(image_size, patch_size, in_channels, dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position_embedding = nn.Parameter(torch.zeros(1, self.patch_embedding.num_patches + 1, dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(TransformerBlock(dim, heads, mlp_ratio, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.head = nn.Linear(dim, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights, class token and positions of deviation 0.02; biases 0; layer norms start as 1 and 0.

        This is the guide's rule. torchvision and the paper start the head at zero, so that all logits would be zero
        until the network is trained, whatever the image.
        """
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.position_embedding, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of ViT-B/16.

        Raises:
            IllegalSize: the image is not `image_size` high and wide.
        """
        side, patch, patches = self.image_size, self.patch_size, self.image_size // self.patch_size
        require_size(
            x,
            f"ViT/{patch}",
            smallest=side,
            largest=side,
            because=f"it has one position for each of {patches} x {patches} patches of {patch} pixels; "
            f"for other images, build it with another image_size, a multiple of {patch}, and resize the positions",
        )
        # fmt: off
        x = self.patch_embedding(x)                                # (B, 196, 768)
        class_token = self.class_token.expand(x.shape[0], -1, -1)  # (B,   1, 768)
        x = torch.cat([class_token, x], dim=1)                     # (B, 197, 768)
        x = self.dropout(x + self.position_embedding)              # (B, 197, 768)  equation 1
        x = self.norm(self.blocks(x))                              # (B, 197, 768)  equations 2 and 3, twelve times
        logits: Tensor = self.head(x[:, 0])                        # (B, num_classes)  equation 4
        # fmt: on
        return logits


def resize_positions(position_embedding: Tensor, patches_per_side: int) -> Tensor:
    """Return the positions of another number of patches: (1, n² + 1, D) -> (1, m² + 1, D).

    The paper's 2D interpolation (section 3.2), bicubic and corner on corner as in torchvision. The class token's
    position belongs to no place and stays.

    Args:
        position_embedding: of a `VisionTransformer`: the class token's, then the patches' row by row.
        patches_per_side: m, of the network that is to use them.
    """
    class_token, patches = position_embedding[:, :1], position_embedding[:, 1:]
    n = math.isqrt(patches.shape[1])
    # fmt: off
    grid = patches.transpose(1, 2).reshape(1, -1, n, n)                                      # (1, D, n, n)
    grid = F.interpolate(grid, size=patches_per_side, mode="bicubic", align_corners=True)    # (1, D, m, m)
    return torch.cat([class_token, grid.flatten(2).transpose(1, 2)], dim=1)                  # (1, m² + 1, D)
    # fmt: on


def vit_b_16(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VisionTransformer:
    """ViT-Base with patches of 16 pixels; options as `VisionTransformer`."""
    return VisionTransformer(patch_size=16, in_channels=in_channels, num_classes=num_classes, **options)


def vit_b_32(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VisionTransformer:
    """ViT-Base with patches of 32 pixels, a quarter of the tokens; options as `VisionTransformer`."""
    return VisionTransformer(patch_size=32, in_channels=in_channels, num_classes=num_classes, **options)


def vit_l_16(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VisionTransformer:
    """ViT-Large with patches of 16 pixels; options as `VisionTransformer`."""
    large = {"dim": 1024, "depth": 24, "heads": 16}
    return VisionTransformer(patch_size=16, in_channels=in_channels, num_classes=num_classes, **large, **options)
