"""Specifications: what is refused and how, and the way to TOML and back."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gnncore.configuration import to_toml
from gnncore.errors import SpecificationError
from gnncore.models import GraphModel, Head, ModelSpecification

BASE: dict[str, Any] = {
    "in_channels": 1,
    "layer": "gcn",
    "hidden_channels": 4,
    "num_layers": 3,
}


def specification(**changes: Any) -> ModelSpecification:
    return ModelSpecification(**{**BASE, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation": "rely"}, ["activation must be", "'relu'", "'gelu'", "got 'rely'"]),
        ({"activation": ["relu", "rely", "relu"]}, ["activation[1] must be", "got 'rely'"]),
        ({"normalisation": "batch"}, ["'batch_norm'", "'layer_norm'", "got 'batch'"]),
        ({"skip": "dense"}, ["'residual', 'input' or 'concatenate'", "got 'dense'"]),
        ({"pooling": "median"}, ["'mean', 'sum' or 'max'", "got 'median'"]),
        ({"hidden": 8}, ["unknown key 'hidden'", "hidden_channels", "pooling"]),
        ({"head": {"depth": 3}}, ["unknown key 'head.depth'", "hidden, activation, dropout"]),
        ({"head": {"hidden": [4, 0]}}, ["head.hidden[1] must be", "got 0"]),
        ({"encoding": {"kind": "walk"}}, ["encoding", "'random_walk', 'laplacian'", "'walk'"]),
        ({"encoding": {"kind": "random_walk"}}, ["encoding.steps is missing"]),
        ({"dropout": 1.0}, ["dropout must be less than 1", "got 1.0"]),
        ({"dropout": [0, 0, float("nan")]}, ["dropout[2]", "finite", "got nan"]),
        ({"layer_options": {"K": float("inf")}}, ["layer_options", "finite", "got inf"]),
        ({"layer_options": {"K": print}}, ["layer_options", "JSON"]),
        ({"layer_options": [{}, {}]}, ["layer_options must have one entry a layer (3), got 2"]),
        ({"hidden_channels": [4, 4]}, ["hidden_channels must have one entry a layer (3), got 2"]),
        ({"hidden_channels": 0}, ["hidden_channels", "got 0"]),
        ({"in_channels": 10**9}, ["in_channels", "got 1000000000"]),
        ({"skip": "residual"}, ["layer 0 has 1 channels in and 4 out", "encoder"]),
        ({"skip": "input", "hidden_channels": [4, 5, 4]}, ["skip 'input'", "[4, 5, 4]"]),
        ({"head": "identity"}, ["head 'identity' hands on 4 channels", "out_channels is 1"]),
        ({"hidden_edge_channels": 3}, ["hidden_edge_channels 3", "encoder 'linear'"]),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_does_not_fit_is_refused_in_one_line(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SpecificationError) as caught:
        specification(**changes)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer": "gnc"}, ["unknown layer 'gnc'", "gcn", "tag", "dirac_bianconi"]),
        ({"layer_options": {"K": 3}}, ["'gcn' has no option 'K'", "improved"]),
        (
            {"normalisation": "layer_norm", "normalisation_options": {"modus": "node"}},
            ["'layer_norm'", "modus"],
        ),
        ({"edge_channels": 2}, ["edge_channels", "2"]),
        (
            {
                "layer": "relational_transformer",
                "skip": "input",
                "encoder": "linear",
                "edge_channels": 1,
                "hidden_edge_channels": 3,
            },
            ["skip 'input'", "got 3 and 4", "hidden_edge_channels to 4"],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_layers_refuse_is_said_when_the_model_is_built(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SpecificationError) as caught:
        GraphModel(specification(**changes))
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SpecificationError, match=r"^in_channels is missing; set it$"):
        ModelSpecification(**{key: BASE[key] for key in BASE if key != "in_channels"})


def test_specifications_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        specification().dropout = 0.5  # type: ignore[misc]


def test_one_value_stands_for_every_layer() -> None:
    single = specification(dropout=0.5, normalisation="batch_norm", layer_options={"bias": False})
    listed = specification(
        hidden_channels=[4] * 3,
        dropout=[0.5] * 3,
        normalisation=["batch_norm"] * 3,
        layer_options=[{"bias": False}] * 3,
        activation=["relu"] * 3,
    )
    assert single.blocks == listed.blocks


def test_a_list_of_channels_counts_the_layers() -> None:
    layers = ModelSpecification(in_channels=2, layer="gcn", hidden_channels=[5, 3])
    assert layers.num_layers == 2
    assert [(b.in_channels, b.out_channels) for b in layers.blocks] == [(2, 5), (5, 3)]


def test_concatenation_widens_what_follows() -> None:
    dense = specification(in_channels=2, skip="concatenate", hidden_channels=[3, 5, 7])
    assert [b.in_channels for b in dense.blocks] == [2, 2 + 3, 2 + 3 + 5]
    assert dense.head_channels == 2 + 3 + 5 + 7
    jumping = specification(hidden_channels=[3, 5, 7], jumping="concatenate")
    assert jumping.head_channels == 3 + 5 + 7


def test_an_encoding_widens_the_features() -> None:
    walk = specification(in_channels=2, encoding={"kind": "random_walk", "steps": 16})
    assert walk.blocks[0].in_channels == 2 + 16
    laplacian = specification(in_channels=2, encoding={"kind": "laplacian", "channels": 5})
    assert laplacian.blocks[0].in_channels == 2 + 5


channels = st.integers(1, 300)
probabilities = st.floats(0, 0.999)
options = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.integers(-(2**40), 2**40) | st.booleans() | st.text(max_size=8) | st.floats(-1e9, 1e9),
    max_size=3,
)


@st.composite
def specifications(draw: st.DrawFn) -> ModelSpecification:
    layers = draw(st.integers(1, 4))

    def per_layer(values: st.SearchStrategy[Any]) -> Any:
        return draw(values | st.lists(values, min_size=layers, max_size=layers))

    encoding = {"kind": "random_walk", "steps": draw(channels)}
    signs = draw(st.sampled_from(["canonical", "random", "invariant"]))
    laplacian = {"kind": "laplacian", "channels": draw(channels), "signs": signs}
    return ModelSpecification(
        in_channels=draw(channels),
        edge_channels=draw(st.integers(0, 300)),
        out_channels=draw(channels),
        layer=draw(st.text(min_size=1, max_size=12)),
        layer_options=per_layer(options),
        hidden_channels=per_layer(channels),
        num_layers=layers,
        normalisation=draw(st.none() | st.sampled_from(["batch_norm", "identity"])),
        activation=per_layer(st.sampled_from(["relu", "gelu"])),
        dropout=per_layer(probabilities),
        edge_dropout=per_layer(probabilities),
        skip=draw(st.sampled_from([None, "concatenate"])),
        jumping=draw(st.sampled_from([None, "concatenate"])),
        encoder=draw(st.sampled_from([None, "linear", "node_linear"])),
        encoding=draw(st.sampled_from([None, encoding, laplacian])),
        head=Head(hidden=tuple(draw(st.lists(channels, max_size=3))), dropout=draw(probabilities)),
        output=draw(st.sampled_from(["identity", "sigmoid"])),
        pooling=draw(st.sampled_from([None, "mean", "sum", "max"])),
    )


@settings(deadline=None)
@given(made=specifications())
def test_toml_and_json_give_the_specification_back(made: ModelSpecification) -> None:
    assert ModelSpecification(**tomllib.loads(made.to_toml())) == made
    assert ModelSpecification.model_validate_json(made.model_dump_json()) == made


@settings(deadline=None)
@given(text=st.text())
def test_any_text_survives_toml(text: str) -> None:
    assert tomllib.loads(to_toml({"key": {text: [text]}})) == {"key": {text: [text]}}


def test_toml_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    made = specification(layer="tag", layer_options={"K": 4}, head={"hidden": [8, 8]})
    path.write_text(made.to_toml(), encoding="utf-8")
    assert ModelSpecification.from_toml(path) == made


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot read", "model.toml", "No such file"]),
        (b"layer = ", ["model.toml", "no valid TOML"]),
        (b"\xff", ["model.toml", "no valid TOML"]),
        (b"layers = 3", ["unknown key 'layers'"]),
    ],
)
def test_bad_toml_files_are_refused(
    tmp_path: Path, content: bytes | None, words: list[str]
) -> None:
    path = tmp_path / "model.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecificationError) as caught:
        ModelSpecification.from_toml(path)
    assert [word for word in words if word not in str(caught.value)] == []


def test_toml_cannot_say_none() -> None:
    with pytest.raises(SpecificationError, match=r"TOML has no NoneType, got None for .*act"):
        specification(layer="arma", layer_options={"act": None}).to_toml()
