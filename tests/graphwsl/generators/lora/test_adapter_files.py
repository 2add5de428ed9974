"""Files of ``peft``: names and configuration, the way back, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gnncore.storage import load_tensors, read_json, save_tensors
from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import (
    adapted,
    load_adapter,
    load_adapters,
    save_adapter,
    save_adapters,
)
from graphwsl.generators.lora.low_rank import Pairs
from tests.graphwsl.generators.lora.lora_cases import base, population, random_pairs, uneven


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
    assert config["rank_pattern"] == {r"^block\.10": 3}


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_matrices_keep_their_type(tmp_path: Path, dtype: torch.dtype) -> None:
    pairs = {layer: (a.to(dtype), b.to(dtype)) for layer, (a, b) in random_pairs(None).items()}
    save_adapter(tmp_path, pairs, alpha=4)
    torch.testing.assert_close(load_adapter(tmp_path).pairs, pairs, rtol=0, atol=0)


def test_matrices_may_lie_in_one_tensor(tmp_path: Path) -> None:
    both = torch.randn(3, 3)
    save_adapter(tmp_path, {"0": (both[:2], both.T[:, :2])}, alpha=4)
    a, b = load_adapter(tmp_path).pairs["0"]
    assert torch.equal(a, both[:2])
    assert torch.equal(b, both.T[:, :2])


@pytest.mark.parametrize(
    ("pairs", "alpha", "message"),
    [
        ({"a\n": (torch.ones(1, 2), torch.ones(2, 1))}, 1.0, "no path of a layer"),
        ({"a": (torch.ones(0, 2), torch.ones(2, 0))}, 1.0, "rank from 1 on"),
        pytest.param(
            {"a": (torch.ones(1, 2), torch.ones(2, 1))},
            10**400,
            "alpha must be positive and finite",
            id="alpha",
        ),
        (
            {"a": (torch.ones(1, 2).to(torch.float8_e4m3fn), torch.ones(2, 1))},
            1.0,
            "must be of float16, bfloat16, float32, float64, got torch.float8_e4m3fn",
        ),
        ({}, 1.0, "no pairs"),
    ],
)
def test_what_would_not_come_back_is_not_written(
    tmp_path: Path, pairs: Pairs, alpha: float, message: str
) -> None:
    with pytest.raises(GraphwslError, match=message):
        save_adapter(tmp_path / "new", pairs, alpha)
    assert not (tmp_path / "new").exists()


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
