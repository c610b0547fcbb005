"""Renaming the tensors of a weight file."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from explorer.architectures.state_dict import rename


def test_tensors_are_the_same_objects_in_the_same_order_under_new_names():
    first, second = torch.ones(2), torch.zeros(3)
    renamed = rename({"_conv.weight": first, "_fc.bias": second}, {r"^_conv\.": "conv1.", r"^_fc\.": "classifier.1."})
    assert list(renamed) == ["conv1.weight", "classifier.1.bias"]
    assert renamed["conv1.weight"] is first
    assert renamed["classifier.1.bias"] is second


def test_unknown_keys_pass_through_and_the_source_is_left_alone():
    source = {"kept": torch.ones(1), "old": torch.ones(1)}
    assert list(rename(source, {"^old$": "new"})) == ["kept", "new"]
    assert list(source) == ["kept", "old"]
    assert rename({}, {"a": "b"}) == {}


def test_rules_follow_one_another_and_may_use_groups():
    table = {r"^_blocks\.(\d+)\.": r"features.\1.", r"^features\.(\d+)\._bn": r"features.\1.norm."}
    assert list(rename({"_blocks.12._bn.weight": torch.ones(1)}, table)) == ["features.12.norm..weight"]


def test_two_keys_with_one_name_are_refused_by_name():
    with pytest.raises(ValueError, match=r"'head\.weight' and 'fc\.weight' would both be renamed to 'fc\.weight'"):
        rename({"head.weight": torch.ones(1), "fc.weight": torch.ones(1)}, {"^head": "fc"})
    with pytest.raises(ValueError, match="'a1' and 'a2'"):
        rename({"a1": torch.ones(1), "a2": torch.ones(1)}, {r"\d": ""})


def test_version_marks_are_left_behind_so_that_old_files_load_strictly():
    old_file: Any = torch.nn.BatchNorm2d(4).state_dict()  # still says that it is of version 2, with a counter
    del old_file["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        torch.nn.BatchNorm2d(4).load_state_dict(old_file, strict=True)
    renamed = rename(old_file, {})
    assert type(renamed) is dict
    torch.nn.BatchNorm2d(4).load_state_dict(renamed, strict=True)


def test_none_leaves_a_tensor_out():
    state = {"aux1.fc.weight": torch.ones(1), "auxiliary": torch.ones(1), "fc.weight": torch.ones(1)}
    assert list(rename(state, {r"^aux\d\.": None, "^fc": "classifier"})) == ["auxiliary", "classifier.weight"]
