"""Architectures of transformers: built from a name or a configuration, without the network."""

import socket
from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")

import graphwsl  # noqa: E402
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS  # noqa: E402
from graphwsl.errors import ImportedModelError  # noqa: E402
from graphwsl.imports import from_transformers  # noqa: E402
from graphwsl.testing import assert_exact  # noqa: E402

BERT: dict[str, Any] = SMALL_CONFIGS["BERT"][1]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("the network was asked for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_there_are_at_least_25_small_architectures() -> None:
    assert len(SMALL_CONFIGS) >= 25
    assert len({kind for kind, _ in SMALL_CONFIGS.values()}) == len(SMALL_CONFIGS)


@pytest.mark.parametrize("name", ["BERT", "Llama", "T5", "ViT", "ResNet", "CLIP"])
def test_small_architectures_run(name: str) -> None:
    run(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL_CONFIGS))
def test_all_small_architectures_run(name: str) -> None:
    run(name)


def run(name: str) -> None:
    kind, settings = SMALL_CONFIGS[name]
    module, inputs = from_transformers(kind, **settings)
    assert module.model.config.model_type == kind
    assert sum(one.numel() for one in module.parameters()) < 100_000
    with torch.no_grad():
        outputs = module(**inputs)
    for one in outputs if isinstance(outputs, tuple) else (outputs,):
        assert one.dtype == torch.float32
        assert one.isfinite().all()


def test_a_network_is_traced_exactly() -> None:
    module, inputs = from_transformers("bert", **BERT)
    graph = graphwsl.neural_graph(module, inputs)
    assert_exact(graph, module)


def test_outputs_are_those_of_the_model() -> None:
    module, inputs = from_transformers("bert", **BERT)
    expected = module.model(**inputs)
    assert torch.equal(module(**inputs), expected.logits)
    clip, inputs = from_transformers("clip", **SMALL_CONFIGS["CLIP"][1])
    both = clip(**inputs)
    assert torch.equal(both[0], clip.model(**inputs).logits_per_text)


def test_a_name_a_dictionary_and_an_object_mean_the_same() -> None:
    config = transformers.BertConfig(**BERT)
    states = [
        from_transformers(one, seed=3)[0].state_dict()
        for one in (config, config.to_dict(), {"model_type": "bert", **BERT})
    ]
    for state in states[1:]:
        assert all(torch.equal(state[name], tensor) for name, tensor in states[0].items())
    other = from_transformers(config, seed=4)[0].state_dict()
    assert not all(torch.equal(other[name], tensor) for name, tensor in states[0].items())


def test_a_configuration_stays_as_it_was() -> None:
    config = transformers.BertConfig(**BERT)
    before = config.to_dict()
    module, _ = from_transformers(config, num_hidden_layers=1)
    assert module.model.config.num_hidden_layers == 1
    assert config.to_dict() == before


def test_the_seed_of_torch_stays_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    from_transformers("bert", **BERT)
    assert torch.equal(torch.rand(1), expected)


def test_another_head_can_be_asked_for() -> None:
    module, inputs = from_transformers("bert", head="AutoModel", **BERT)
    assert type(module.model).__name__ == "BertModel"
    assert module(**inputs).shape == (1, 8, 16)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ("brt", {}, "knows no architecture 'brt'"),
        ({"hidden_size": 4}, {}, "knows no architecture 'None'"),
        ("bert", {**BERT, "hidden_size": 15}, "'bert' cannot be built: .*15"),
        ("bert", {**BERT, "hidden_size": "wide"}, "'bert'.* refused"),
        ("bert", {**BERT, "head": "AutoModelForImageClassification"}, "has no AutoModelForImage"),
    ],
)
def test_mistakes_end_in_one_line(given: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ImportedModelError, match=message) as caught:
        from_transformers(given, **settings)
    assert "\n" not in str(caught.value)


def test_code_that_a_configuration_names_is_not_fetched() -> None:
    config = {"model_type": "bert", **BERT, "auto_map": {"AutoModelForMaskedLM": "evil--x.Model"}}
    module, _ = from_transformers(config)
    assert type(module.model) is transformers.BertForMaskedLM


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ImportedModelError, match="pip install 'transformers"):
        from_transformers("bert")
