"""What cannot be learnt from, read or opened ends in one line that says what to do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gnncore.errors import GnncoreError
from gnncore.storage import StorageError, read_json, write_json
from graphwsl.errors import GraphwslError, RepresentationError
from graphwsl.populations import Population
from graphwsl.representations import REPRESENTATIONS, load, make
from tests.graphwsl.properties.property_cases import SMALL_CNN, MemoryZoo
from tests.graphwsl.representations.representation_cases import fit, fitted, parts, tiny

ALONE = [name for name, method in REPRESENTATIONS.items() if not method.mixed]


def refusal(call: Callable[[], object], error: type[Exception] = RepresentationError) -> str:
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_names_sizes_and_options() -> None:
    assert "did you mean 'sane'" in refusal(lambda: make("sain"))
    assert ", or import the module that registers it" in refusal(lambda: make("mine"))
    assert "choose published or small" in refusal(lambda: make("sane", "large"))
    assert "latent_channels" in refusal(lambda: make("sane", latent_chanels=3))
    assert "contrast" in refusal(lambda: make("sane", contrast=2.0))
    assert "seed" in refusal(lambda: make("sane", seed=-1), GraphwslError)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_populations_that_cannot_be_learnt_from(name: str) -> None:
    own = parts("mlp")
    made = tiny(name)

    def attempt(train: Population, valid: Population) -> str:
        return refusal(lambda: made.fit(train, valid, inputs=own.inputs))

    one = own.train.select([0])
    assert "two networks at least" in attempt(one, own.valid)
    assert "got 16 and 0" in attempt(own.train, own.valid.select([]))
    states = [state.clone() for state in own.train.states]
    states[3][0] = torch.nan
    assert "are not finite; leave the network out" in attempt(
        replace(own.train, states=states), own.valid
    )
    if name != "hub":  # which is made for them
        strange = attempt(own.train, parts("cnn").valid)
        assert "an architecture that no training network has" in strange


@pytest.mark.parametrize("name", ALONE)
def test_several_architectures_where_one_is_read(name: str) -> None:
    mixed = parts("mixed")
    assert "reads networks of one architecture, got 2; choose multi_zoo" in refusal(
        lambda: tiny(name).fit(mixed.train, mixed.valid)
    )


@pytest.mark.parametrize("name", ["sane", "behavioural", "graph_autoencoder"])
def test_networks_of_another_depth_have_no_scale(name: str) -> None:
    deeper = Population.load(MemoryZoo([{**SMALL_CNN, "depth": 3}], 1))
    made = fitted(name)
    message = refusal(lambda: made.embed(deeper))
    assert "not learnt from" in message or "layers, those that were learnt from have" in message


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_nothing_is_read_before_it_is_fitted(name: str, tmp_path: Path) -> None:
    made, test = tiny(name), parts("mlp").test
    for call in (lambda: made.embed(test), lambda: made.save(tmp_path / "none")):
        assert f"'{name}' is not fitted; call fit first" in refusal(call)
    assert not (tmp_path / "none").exists()


def test_networks_that_cannot_be_embedded() -> None:
    made, own = fitted("sane"), parts("mlp")
    assert "there are no networks" in refusal(lambda: made.embed(own.test.select([])))
    states = [state.clone() for state in own.test.states]
    states[0][0] = torch.inf
    assert "epoch 0, are not finite" in refusal(
        lambda: made.embed(replace(own.test, states=states))
    )
    mixed = fitted("multi_zoo", "mixed")
    assert "set full=False" in refusal(lambda: mixed.embed(parts("mixed").test, full=True))


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_embeddings_are_no_latents(name: str) -> None:
    made, test = fitted(name), parts("mlp").test
    latents = made.encode(test)
    shape = tuple(latents[0].shape)
    wanted = f"give what encode gives, a tensor of shape {shape} for each network"
    for full in (False, True):
        embedding = made.embed(test, full=full)
        message = refusal(lambda given=embedding: made.decode(given, test.architectures[0]))  # type: ignore[misc]
        assert f"cannot decode latents of shape {tuple(embedding.shape)}; {wanted}" in message
    short = [*latents[:2], latents[2][:, :3]]
    message = refusal(lambda: made.decode(short, test.architectures[0]))
    assert f"cannot decode latents of shape {(shape[0], 3)}; {wanted}" in message


def test_inputs_that_the_networks_do_not_take() -> None:
    own, made = parts("mlp"), tiny("behavioural")

    def attempt(inputs: Tensor | None) -> str:
        return refusal(lambda: made.fit(own.train, own.valid, inputs=inputs))

    assert "give inputs, samples without labels, or set structure=1" in attempt(None)
    assert "take samples of shape (1, 3, 3)" in attempt(torch.zeros(4, 1, 5, 5))
    assert "at least one sample, and finite" in attempt(torch.zeros(0, 1, 3, 3))
    assert "at least one sample, and finite" in attempt(torch.full((2, 1, 3, 3), torch.nan))


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_heads_that_do_not_divide_the_channels(name: str) -> None:
    made, own = tiny(name, heads=3), parts("mlp")
    assert "16 channels cannot be shared among 3 heads" in refusal(
        lambda: made.fit(own.train, own.valid, inputs=own.inputs)
    )


def test_folders_that_hold_nothing_of_the_kind(tmp_path: Path) -> None:
    assert "holds no representation; give a folder" in refusal(lambda: load(tmp_path))
    folder = tmp_path / "kept"
    fitted("sane").save(folder)
    config = read_json(folder / "representation.json")
    write_json(folder / "representation.json", {**config, "kind": "graphwsl.predictor"})
    assert "of this version" in refusal(lambda: load(folder))
    write_json(folder / "representation.json", {**config, "representation": "multi_zoo"})
    refusal(lambda: load(folder), StorageError)  # the seal is of another configuration
    fitted("multi_zoo").save(tmp_path / "other")
    other = (tmp_path / "other" / "representation.safetensors").read_bytes()
    write_json(folder / "representation.json", config)
    (folder / "representation.safetensors").write_bytes(other)
    refusal(lambda: load(folder), StorageError)


def test_weights_of_another_method(tmp_path: Path) -> None:
    made = fitted("sane")
    module = fitted("graph_autoencoder").module
    assert module is not None
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    config = {
        "settings": made.settings.model_dump(), "size": "small", "seed": 0, "scales": None,
        "built": made._built, "history": [], "report": {},
    }  # fmt: skip
    assert "this is no representation 'sane'" in refusal(
        lambda: make("sane").restore(config, arrays)
    )


def test_the_state_of_another_fit_is_not_continued(tmp_path: Path) -> None:
    fit(tiny("sane", epochs=1), "mlp", work=tmp_path)
    refusal(lambda: fit(tiny("sane", epochs=1, noise=0.3), "mlp", work=tmp_path), GnncoreError)
    made, own = tiny("behavioural", epochs=1), parts("mlp")
    made.fit(own.train, own.valid, inputs=own.inputs, work=tmp_path / "b")
    refusal(
        lambda: made.fit(own.train, own.valid, inputs=own.inputs + 1, work=tmp_path / "b"),
        GnncoreError,
    )
