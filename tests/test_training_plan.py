"""What is trained, how fast it learns and how photos are changed: against the guide, torchvision and PyTorch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

from explorer import catalogue, cost
from explorer.catalogue.tuned import Head
from explorer.preprocessing import centre_crop
from explorer.training import (
    GUIDE,
    NONE,
    Augmentation,
    BadPlan,
    NotTrainable,
    Plan,
    augmentation,
    heads,
    loading,
    stages,
)

# One network of each family, and those whose end is unlike the others'.
FAMILIES = [
    *("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18", "densenet121", "mobilenet_v2", "efficientnet_b0"),
    *("convnext_tiny", "vit_b_32", "inception_v3", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5"),
    *("mobilenet_v3_small", "vit_l_32", "swin_t", "maxvit_t", "regnet_y_400mf"),
]


def test_the_guides_counts_come_out():
    resnet50 = stages.of("resnet50")
    # feature_extraction(10): a hidden layer of 256, 2048 * 256 + 256 + 256 * 10 + 10.
    extraction = stages.split(resnet50, 0, Head(10, hidden=256, dropout=0.5))
    assert (extraction.trainable, extraction.total) == (527_114, 24_035_146)
    assert extraction.text == "527,114 / 24,035,146 (2.2 %)"
    # fine_tuning(10, unfreeze_layers=2) unfreezes avgpool and an fc that it replaces afterwards: 20,490 are trained,
    # which is a plain head. The last stage and the head, which it means, are 14,985,226.
    assert stages.split(resnet50, 0, Head(10)).trainable == 20_490 == 2048 * 10 + 10
    tuning = stages.split(resnet50, 1, Head(10))
    assert (tuning.trainable, tuning.total) == (14_985_226, 23_528_522)
    assert tuning.modules == ("layer4", "fc")


def test_the_guides_slip_is_what_it_is():
    """Its code, on torchvision's ResNet-50: 'the last two layers' are the pooling and the fc that is replaced next."""
    with torch.device("meta"):
        network = torchvision.models.resnet50()
        network.requires_grad_(False)
        for child in list(network.children())[-2:]:
            child.requires_grad_(True)
        network.fc = torch.nn.Linear(2048, 10)
    assert sum(each.numel() for each in network.parameters() if each.requires_grad) == 20_490


@pytest.mark.parametrize("slug", FAMILIES)
def test_every_family_has_stages_and_takes_a_head(slug):
    card = catalogue.get(slug)
    anatomy = stages.of(slug)
    network = card.unfilled()
    old = sum(parameter.numel() for parameter in network.parameters())
    layer = network.get_submodule(anatomy.place.head)
    assert anatomy.backbone == old - sum(parameter.numel() for parameter in layer.parameters())
    assert len(anatomy.stages) >= 3
    assert all(stage.parameters > 0 for stage in anatomy.stages)
    strides = [stage.stride for stage in anatomy.stages if stage.stride]
    assert strides == sorted(strides)
    head = Head(7, hidden=5, dropout=0.5)
    heads.put(network, head)
    split = stages.split(anatomy, 1, head)
    assert split.total == sum(parameter.numel() for parameter in network.parameters())
    named = dict(network.named_parameters())
    inside = {name for name in named for path in split.modules if name.startswith(f"{path}.") or name == path}
    inside |= {name for stage in split.unfrozen for name in stage.own}
    assert split.trainable == sum(named[name].numel() for name in inside)
    twin = cost.meta_twin(network)
    image = torch.empty(1, card.channels, card.input_size, card.input_size, device="meta")
    assert twin(image).shape == (1, 7)
    assert heads.find(network).classes == 7  # so that a tuned network can be tuned again


def test_a_plain_head_keeps_the_names_that_torchvision_gives():
    network = catalogue.get("resnet18").build()
    heads.put(network, Head(10))
    assert list(network.state_dict()) == list(torchvision.models.resnet18(num_classes=10).state_dict())


def test_the_head_is_found_by_what_it_is_and_not_by_its_name():
    with torch.device("meta"):
        network = catalogue.get("efficientnet_b0").build()
        theirs = torchvision.models.efficientnet_b0()
    # The guide's test, 'fc' in name, catches squeeze layers; in ours they may have other names.
    assert sum("fc" in name for name, _ in theirs.named_parameters()) == 64
    place = heads.find(network)
    assert place.head == heads.find(theirs).head == "classifier.1"
    assert (place.features, place.dropout) == (1280, "classifier.0")


def test_seeded_heads_leave_everyone_elses_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    made = []
    for _ in range(2):
        network = catalogue.get("lenet5").build()
        torch.manual_seed(5)
        heads.put_seeded(network, Head(4, hidden=6), seed=3)
        assert torch.equal(torch.rand(3), expected)
        made.append(network.get_submodule("output"))
    for ours, again in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(ours, again)
    for layer in (made[0].hidden, made[0].output):  # uniform, as PyTorch's
        values = layer.weight.detach()
        assert float(values.abs().max()) <= layer.in_features**-0.5
    assert float(made[0].hidden.weight.detach().std()) == pytest.approx((3 * 84) ** -0.5, rel=0.1)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 16])
def test_batches_hold_every_photo_once_and_none_is_left_alone(batch_size):
    for count in range(2, 70):
        parts = loading.order(count, batch_size, seed=1, epoch=2)
        sizes = {len(part) for part in parts}
        assert sorted(np.concatenate(parts)) == list(range(count))
        assert max(sizes) - min(sizes) <= 1
        assert (1 if batch_size <= 2 else 2) <= min(sizes) <= max(sizes) <= batch_size


def test_what_answers_with_no_class_is_refused():
    with pytest.raises(NotTrainable, match="U-Net"):
        stages.of("unet")
    with pytest.raises(NotTrainable, match="at most"):
        stages.split(stages.of("lenet5"), 4, Head(10))


def test_the_learning_rate_falls_as_the_guides():
    plan = Plan(epochs=10, learning_rate=1e-3)
    # The guide's printed rates for ten epochs.
    guide = [1e-3, 9.755e-4, 9.045e-4, 7.939e-4, 6.545e-4, 5e-4, 3.455e-4, 2.061e-4, 9.549e-5, 2.447e-5]
    assert [plan.rate(epoch) for epoch in range(10)] == pytest.approx(guide, rel=1e-3)
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=10)
    for epoch in range(10):
        assert plan.rate(epoch) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        schedule.step()


def test_a_plan_survives_json():
    plan = Plan(network="vgg11", unfreeze=2, hidden=64, augmentation=GUIDE, title="Blumen", label_smoothing=0.1)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    with pytest.raises(BadPlan, match="another version"):
        Plan.from_json({"optimiser": "SGD"})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"dropout": 1.0}, "dropout"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"batch_size": 2.5}, "batch size"),
        ({"side": 4}, "side"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(options, named):
    with pytest.raises(BadPlan, match=named):
        Plan(**options)
    with pytest.raises(BadPlan, match="hue"):
        Augmentation(hue=0.6)


@pytest.fixture(scope="module")
def photo():
    values = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    return Image.fromarray(values).resize((320, 180), Image.Resampling.BICUBIC)


RECIPE = centre_crop(64)


def test_without_augmentation_the_network_sees_what_it_always_sees(photo):
    assert torch.equal(augmentation.tensor(photo, RECIPE, NONE, 0, 3, 5), RECIPE.tensor(photo)[0])


def test_changes_depend_on_seed_epoch_and_photo_only(photo):
    def seen(*numbers: int) -> bytes:
        return augmentation.augmented(photo, RECIPE, GUIDE, *numbers).tobytes()

    first = seen(1, 2, 3)
    torch.manual_seed(9)
    np.random.seed(9)
    assert seen(1, 2, 3) == first
    assert len({first, seen(0, 2, 3), seen(1, 0, 3), seen(1, 2, 0)}) == 4


def test_each_change_is_torchvisions(photo):
    def drawn(**options):
        usual = {
            "box": None,
            "flip": False,
            "angle": 0.0,
            "brightness": 1.0,
            "contrast": 1.0,
            "saturation": 1.0,
            "hue": 0.0,
        }
        return augmentation.Draw(**{**usual, **options})

    def changed(**options) -> np.ndarray:
        return np.asarray(augmentation.view(photo, RECIPE, drawn(**options)))

    plain = RECIPE.view(photo)
    crop = v2.functional.resized_crop(photo, 10, 20, 100, 120, [64, 64], antialias=True)
    assert np.array_equal(changed(box=(10, 20, 100, 120)), np.asarray(crop))
    assert np.array_equal(changed(flip=True), np.asarray(plain)[:, ::-1])
    bilinear = v2.InterpolationMode.BILINEAR
    assert np.array_equal(changed(angle=12.0), np.asarray(v2.functional.rotate(plain, 12.0, bilinear)))
    assert np.array_equal(changed(brightness=1.2), np.asarray(v2.functional.adjust_brightness(plain, 1.2)))
    assert np.array_equal(changed(contrast=0.8), np.asarray(v2.functional.adjust_contrast(plain, 0.8)))
    assert np.array_equal(changed(saturation=0.8), np.asarray(v2.functional.adjust_saturation(plain, 0.8)))
    assert np.array_equal(changed(hue=0.1), np.asarray(v2.functional.adjust_hue(plain, 0.1)))


def test_draws_have_the_guides_distribution():
    draws = [augmentation.draw(GUIDE, (320, 180), 0, 0, index) for index in range(3000)]
    boxes = np.array([draw.box for draw in draws])
    areas = boxes[:, 2] * boxes[:, 3] / (320 * 180)
    torch.manual_seed(0)
    image = torch.zeros(3, 180, 320)
    theirs = np.array([v2_box(image) for _ in range(3000)])
    expected = theirs[:, 2] * theirs[:, 3] / (320 * 180)
    assert np.quantile(areas, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(expected, [0.1, 0.5, 0.9]), abs=0.03)
    assert boxes[:, :2].mean(axis=0) == pytest.approx(theirs[:, :2].mean(axis=0), abs=5)
    assert np.mean([draw.flip for draw in draws]) == pytest.approx(0.5, abs=0.03)
    for name, least, most in (("angle", -15, 15), ("brightness", 0.8, 1.2), ("hue", -0.1, 0.1)):
        values = np.array([getattr(draw, name) for draw in draws])
        assert least <= values.min() < least + 0.02 * (most - least)
        assert most - 0.02 * (most - least) < values.max() <= most


def v2_box(image: torch.Tensor) -> tuple[int, int, int, int]:
    """Top, left, height, width as torchvision draws them."""
    return torchvision.transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))


def test_a_long_strip_keeps_its_middle():
    draw = augmentation.draw(Augmentation(crop=0.99), (1000, 10), 0, 0, 0)
    assert draw.box == (0, 493, 10, 13)  # as torchvision's last resort
