"""Models of a hub as networks: traced where their program is known, and honest where it is not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from graphwsl.errors import GraphwslError, ImportedModelError
from graphwsl.imports import list_hub_cache
from graphwsl.populations import LayerType, Tokenizer
from graphwsl.populations.hub_models import hub_networks
from tests.graphwsl.imports.hub_cases import card, model, repository, tensors

MODULE = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_tensors_without_a_program_make_tokens_of_no_type(tmp_path: Path) -> None:
    repository(tmp_path, "owner/name", model())
    found = hub_networks(list_hub_cache(tmp_path))
    assert found.untraced == {
        "owner/name": "transformers " + found.untraced["owner/name"].removeprefix("transformers ")
    }
    population = found.population
    (architecture,) = population.architectures
    # Layer 2 comes before layer 10, and a tensor is a layer.
    assert sorted(architecture.graph.state) == sorted(tensors())
    layout = Tokenizer.of(architecture, "dense", 5).layout
    assert set(layout.layer_types.tolist()) == {LayerType.OTHER}
    assert (layout.nodes == -1).all()
    assert layout.positions[:, 1].unique().tolist() == [0, 1, 2]
    row = population.states[0]
    entries = layout.entries[layout.positions[:, 1] == 2]
    last = row[entries[entries >= 0]]
    assert torch.equal(last, tensors()["layers.10.weight"].flatten())
    state = architecture.graph.to_state_dict()
    assert torch.equal(state["layers.2.bias"], tensors()["layers.2.bias"].float())
    assert population.checkpoints[0].configuration == {
        "architecture": "invented",
        "licence": "mit",
        "revision": "a" * 40,
        "is_traced": False,
    }
    with pytest.raises(GraphwslError, match="only the weights are known, not what they compute"):
        population.functions[0].module(torch.zeros(1, 1))


def test_a_network_that_the_caller_has_is_traced(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "model.safetensors": save(MODULE.state_dict()),
        "README.md": card("mit"),
    }
    repository(tmp_path, "owner/name", files)
    given = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    networks = {"owner/name": (given, torch.zeros(1, 3))}
    found = hub_networks(list_hub_cache(tmp_path), networks=networks)
    assert found.untraced == {}
    population = found.population
    layout = Tokenizer.of(population.architectures[0], "dense", 5).layout
    assert set(layout.layer_types.tolist()) == {LayerType.LINEAR}
    x = torch.randn(5, 3)
    assert torch.equal(population.functions[0].module(x), MODULE(x))
    wrong = {"owner/name": (nn.Linear(3, 4), torch.zeros(1, 3))}
    with pytest.raises(ImportedModelError, match="owner/name: the weights do not fit the module"):
        hub_networks(list_hub_cache(tmp_path), networks=wrong)


def test_architectures_of_transformers_are_traced_from_files_alone(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS
    from graphwsl.imports import from_transformers

    kind, settings = SMALL_CONFIGS["BERT"]
    module, inputs = from_transformers(kind, head="AutoModel", **settings)
    state = {name: tensor.half() for name, tensor in module.model.state_dict().items()}
    state["embeddings.position_ids"] = torch.arange(32)[None]  # older files have it
    config = {"model_type": kind, "auto_map": {"AutoModel": "code.Evil"}, **settings}
    repository(tmp_path, "owner/bert", {"model.safetensors": save(state), "config.json": config})
    other = {"model.safetensors": save({"x": torch.ones(3)}), "config.json": config}
    repository(tmp_path, "owner/other", other)
    found = hub_networks(list_hub_cache(tmp_path))
    assert list(found.untraced) == ["owner/other"]
    assert "are of none of the networks that transformers builds" in found.untraced["owner/other"]
    bert = found.population.select([0])
    layout = Tokenizer.of(bert.present[0], "dense").layout
    kinds = set(layout.layer_types.tolist())
    assert {LayerType.EMBEDDING, LayerType.LINEAR, LayerType.NORMALISATION} <= kinds
    assert bert.checkpoints[0].configuration["is_traced"] is True
    module.model.load_state_dict({name: one.float() for name, one in state.items()}, strict=False)
    with torch.no_grad():
        torch.testing.assert_close(bert.functions[0].module(**inputs), module(**inputs))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"a": torch.tensor([1.0, torch.nan])}, "tensor 'a' is not finite"),
        ({"a": torch.ones(9, dtype=torch.int8), "b": torch.ones(2)}, "as of quantised weights"),
        ({"a": torch.ones(2), "a.b": torch.ones(2)}, "'a.b' names no tensor of a network"),
        ({"a..b": torch.ones(2)}, "'a..b' names no tensor of a network"),
        ({"a": torch.ones(200)}, r"it has 200 numbers, more than 100 \(max_entries\)"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, state: Any, reason: str) -> None:
    repository(tmp_path, "owner/name", {"model.safetensors": save(state)})
    with pytest.raises(
        ImportedModelError, match=f"no models that can be used; owner/name: .*{reason}"
    ):
        hub_networks(list_hub_cache(tmp_path), max_entries=100)
    repository(tmp_path, "owner/other", model())
    found = hub_networks(list_hub_cache(tmp_path), max_entries=100)
    assert [one.path for one in found.left_out] == ["owner/name"]
    assert len(found.population) == 1
    assert json.dumps(found.population.checkpoints[0].configuration)
