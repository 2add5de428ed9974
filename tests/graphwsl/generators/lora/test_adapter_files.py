"""Files of ``peft``: names and configuration, the way back, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gnncore.storage import load_tensors, read_json, save_tensors, write_json
from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import (
    adapted,
    load_adapter,
    load_adapters,
    save_adapter,
    save_adapters,
)
from graphwsl.generators.lora.low_rank import Pairs
from tests.graphwsl.generators.lora.lora_cases import base, population, random_pairs


def uneven() -> Pairs:
    pairs = random_pairs(None)
    return {**pairs, "block.10": (torch.randn(3, 4), torch.randn(7, 3))}


def test_an_adapter_comes_back(tmp_path: Path) -> None:
    pairs = uneven()
    save_adapter(tmp_path, pairs, alpha=6, base="some/model")
    found = load_adapter(tmp_path)
    torch.testing.assert_close(found.pairs, pairs, rtol=0, atol=0)
    assert found.scaling == {"0": 3.0, "2": 3.0, "block.10": 2.0}
    assert found.base == "some/model"


def test_files_are_those_of_peft(tmp_path: Path) -> None:
    save_adapter(tmp_path, uneven(), alpha=6)
    tensors = load_tensors(tmp_path / "adapter_model.safetensors")
    assert tensors["base_model.model.block.10.lora_A.weight"].shape == (3, 4)
    assert tensors["base_model.model.block.10.lora_B.weight"].shape == (7, 3)
    assert len(tensors) == 6
    config = read_json(tmp_path / "adapter_config.json")
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 2, 6.0)
    assert config["target_modules"] == ["0", "2", "block.10"]
    assert config["rank_pattern"] == {"block.10": 3}


def test_peft_loads_them(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    pairs = random_pairs(None)
    save_adapter(tmp_path, pairs, alpha=4)
    x, expected = torch.randn(3, 5), adapted(base(), rank=2, alpha=4)
    for layer, (a, b) in pairs.items():
        part: Any = expected.get_submodule(layer)
        part.lora_A.weight.data, part.lora_B.weight.data = a, b
    loaded = peft.PeftModel.from_pretrained(base(), tmp_path)
    torch.testing.assert_close(loaded(x), expected(x))


def test_scalings_by_the_square_root_and_patterns_are_read(tmp_path: Path) -> None:
    save_adapter(tmp_path, uneven(), alpha=6)
    config = read_json(tmp_path / "adapter_config.json")
    pattern = {"block.*": 9, "2": 12}
    write_json(
        tmp_path / "adapter_config.json", {**config, "use_rslora": True, "alpha_pattern": pattern}
    )
    expected = {"0": 6 / 2**0.5, "2": 12 / 2**0.5, "block.10": 9 / 3**0.5}
    assert load_adapter(tmp_path).scaling == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "has use_dora=True, only False is read"),
        ({"peft_type": "IA3"}, "has peft_type='IA3', only 'LORA' is read"),
        ({"bias": "all"}, "has bias='all'"),
        ({"fan_in_fan_out": True}, "has fan_in_fan_out=True"),
        ({"r": 5}, "has rank 2, not 5"),
        ({"lora_alpha": None}, "no rank or alpha"),
    ],
)
def test_other_adapters_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_adapter(tmp_path, random_pairs(None), alpha=4)
    config = read_json(tmp_path / "adapter_config.json")
    write_json(tmp_path / "adapter_config.json", {**config, **changes})
    with pytest.raises(GraphwslError, match=message) as caught:
        load_adapter(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    save_adapter(tmp_path, random_pairs(None), alpha=4)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_tensors(path)
    save_tensors(
        path,
        {
            **tensors,
            "base_model.model.x.lora_embedding_A": tensors["base_model.model.2.lora_B.weight"],
        },
    )
    with pytest.raises(GraphwslError, match="lora_embedding_A', which is no pair"):
        load_adapter(tmp_path)
    del tensors["base_model.model.2.lora_B.weight"]
    save_tensors(path, tensors)
    with pytest.raises(GraphwslError, match=r"and no 'base_model\.model\.2\.lora_B\.weight'"):
        load_adapter(tmp_path)


def test_a_population_comes_back_bitwise(tmp_path: Path) -> None:
    made = population(3)
    network = adapted(base(), rank=2, alpha=4)
    save_adapters(tmp_path / "zoo", made)
    found = load_adapters(tmp_path / "zoo", network, torch.zeros(2, 5))
    assert found.checkpoints == made.checkpoints
    assert all(torch.equal(a, b) for a, b in zip(found.states, made.states, strict=True))
    with pytest.raises(GraphwslError, match="is not empty"):
        save_adapters(tmp_path / "zoo", made)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: adapted(base(1), rank=2, alpha=4), "another base network"),
        (lambda: adapted(base(), rank=2, alpha=5), "other layers or scalings"),
        (base, "has no adapters"),
    ],
)
def test_a_population_of_another_network_is_refused(
    tmp_path: Path, network: Any, message: str
) -> None:
    save_adapters(tmp_path / "zoo", population(2))
    other: nn.Module = network()
    with pytest.raises(GraphwslError, match=message):
        load_adapters(tmp_path / "zoo", other, torch.zeros(2, 5))
