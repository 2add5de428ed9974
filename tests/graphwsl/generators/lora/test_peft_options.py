"""Options of ``peft``: what leaves the plain product is read, all else is refused in one line."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnncore.storage import read_json, write_json
from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import load_adapter, save_adapter
from tests.graphwsl.generators.lora.lora_cases import random_pairs, uneven

PARTS = st.text("ab01_+*.|(){}[]^$\\? é", min_size=1, max_size=3)
"""Parts of paths: letters, figures, dots and all that regular expressions read in another way."""


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(PARTS, st.integers(1, 3), min_size=1, max_size=6), st.floats(0.1, 100))
def test_any_layers_of_any_ranks_come_back(ranks: dict[str, int], alpha: float) -> None:
    pairs = {
        layer: (torch.randn(rank, 2 + n), torch.randn(3, rank))
        for n, (layer, rank) in enumerate(ranks.items())
    }
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(folder, pairs, alpha)
        found = load_adapter(folder)
    torch.testing.assert_close(dict(sorted(found.pairs.items())), dict(sorted(pairs.items())))
    assert found.scaling == {layer: alpha / rank for layer, rank in ranks.items()}


def test_a_layer_whose_path_ends_like_another_has_its_own_rank(tmp_path: Path) -> None:
    pairs = {
        "0": (torch.ones(2, 4), torch.ones(4, 2)),
        "block.0": (torch.ones(3, 4), torch.ones(4, 3)),
        "block.2": (torch.ones(3, 4), torch.ones(4, 3)),
    }
    save_adapter(tmp_path, pairs, alpha=6)
    assert load_adapter(tmp_path).scaling == {"0": 3.0, "block.0": 2.0, "block.2": 2.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": False},
        {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
        {"init_lora_weights": "orthogonal"},
        {"peft_version": "0.18.0", "revision": "main", "task_type": "CAUSAL_LM"},
        {"auto_mapping": {"base_model_class": "Net"}, "lora_dropout": 0.1},
        {"megatron_core": "megatron.core", "megatron_config": None, "qalora_group_size": 16},
        {"use_qalora": False, "arrow_config": None, "trainable_token_indices": None},
        {"layers_to_transform": [0], "layers_pattern": "layers", "exclude_modules": ["head"]},
        {"loftq_config": {}, "corda_config": None, "target_modules": "all-linear"},
        {"modules_to_save": [], "rank_pattern": None, "alpha_pattern": None, "lora_alpha": 4},
    ],
)
def test_what_leaves_the_product_is_read(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_adapter(tmp_path, random_pairs(None), alpha=4)
    config = read_json(tmp_path / "adapter_config.json")
    write_json(tmp_path / "adapter_config.json", {**config, **changes})
    assert load_adapter(tmp_path).scaling == {"0": 2.0, "2": 2.0}


def test_scalings_by_the_square_root_and_patterns_are_read(tmp_path: Path) -> None:
    save_adapter(tmp_path, uneven(), alpha=6)
    config = read_json(tmp_path / "adapter_config.json")
    pattern = {"block.*": 9, "2": 12}
    write_json(
        tmp_path / "adapter_config.json", {**config, "use_rslora": True, "alpha_pattern": pattern}
    )
    expected = {"0": 6 / 2**0.5, "2": 12 / 2**0.5, "block.10": 9 / 3**0.5}
    assert load_adapter(tmp_path).scaling == pytest.approx(expected)


def test_a_path_that_is_no_pattern_of_itself_is_found(tmp_path: Path) -> None:
    save_adapter(tmp_path, {"a+b": (torch.ones(1, 2), torch.ones(2, 1))}, alpha=6)
    config = read_json(tmp_path / "adapter_config.json")
    write_json(tmp_path / "adapter_config.json", {**config, "alpha_pattern": {"a+b": 3}})
    assert load_adapter(tmp_path).scaling == {"a+b": 3.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "has use_dora=True, only False is read"),
        ({"peft_type": "IA3"}, "has peft_type='IA3', only 'LORA' is read"),
        ({"bias": "all"}, "has bias='all'"),
        ({"fan_in_fan_out": True}, "has fan_in_fan_out=True"),
        ({"r": 5}, "has rank 2, not 5"),
        ({"lora_alpha": None}, "'0' has alpha None"),
        ({"lora_alpha": -1}, "'0' has alpha -1"),
        ({"lora_alpha": 10**400}, "'0' has alpha 1000"),
        ({"lora_alpha": True}, "'0' has alpha True"),
        ({"r": 2.5}, "'0' has rank 2.5"),
        ({"r": None}, "'0' has rank None"),
        ({"r": 10**400}, "has rank 2, not 1000"),
        ({"rank_pattern": {"0": "x"}}, "'0' has rank 'x'"),
        ({"rank_pattern": [1]}, "rank_pattern=a list; it is a table"),
        ({"alpha_pattern": 3}, "alpha_pattern=3; it is a table"),
        ({"rank_pattern": {"(": 3}}, r"has '\(' in rank_pattern, which is no pattern"),
        ({"rank_pattern": {"a{9999999999999}": 3}}, "which is no pattern"),
        ({"use_rslora": "no"}, "has use_rslora='no'; write true or false"),
        *(
            ({"init_lora_weights": name}, f"has init_lora_weights='{name}', which changes the base")
            for name in ("pissa", "pissa_niter_16", "olora", "corda", "loftq", "later")
        ),
        ({"init_lora_weights": ["pissa"]}, "init_lora_weights=a list"),
        ({"alora_invocation_tokens": [1, 2]}, "has alora_invocation_tokens=a list"),
        ({"use_qalora": True}, "has use_qalora=True"),
        ({"use_bdlora": {"nblocks": 2}}, "has use_bdlora=a dict"),
        ({"arrow_config": {"top_k": 3}}, "has arrow_config=a dict"),
        ({"trainable_token_indices": [0]}, "has trainable_token_indices=a list"),
        ({"target_parameters": ["w"]}, "has target_parameters=a list"),
        ({"megatron_config": {"a": 1}}, "has megatron_config=a dict"),
        ({"of_next_year": 1}, "has of_next_year=1"),
    ],
)
def test_other_adapters_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_adapter(tmp_path, random_pairs(None), alpha=4)
    config = read_json(tmp_path / "adapter_config.json")
    write_json(tmp_path / "adapter_config.json", {**config, **changes})
    with pytest.raises(GraphwslError, match=message) as caught:
        load_adapter(tmp_path)
    assert "\n" not in str(caught.value)
