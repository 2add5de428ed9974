"""What holds for every method: it learns, embeds, rebuilds, is kept, and goes on after a stop."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gnncore.errors import CheckpointError
from graphwsl.errors import RepresentationError
from graphwsl.populations import Population
from graphwsl.representations import REPRESENTATIONS, load, make
from graphwsl.representations.autoencoder import Autoencoder
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.representations.representation_cases import fit, fitted, parts, tiny

MIXED = [name for name, method in REPRESENTATIONS.items() if method.mixed]


def rows(population: Population) -> torch.Tensor:
    return torch.stack(population.states)


def features_of(name: str, layers: int = 3) -> int:
    """Features of networks: as many as channels of a latent, or those of each layer."""
    return layers * (14 + 2 + 5) if name == "graph_autoencoder" else 5


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_embeds_and_rebuilds_in_order(name: str) -> None:
    made, test = fitted(name), parts("mlp").test
    embedding, rebuilt = made.embed(test), made.reconstruct(test)
    assert embedding.shape == (len(test), features_of(name))
    assert embedding.isfinite().all()
    assert rebuilt.checkpoints == test.checkpoints
    assert [len(state) for state in rebuilt.states] == [len(state) for state in test.states]
    turned = list(range(len(test)))[::-1]
    torch.testing.assert_close(made.embed(test.select(turned)), embedding[turned])
    torch.testing.assert_close(rows(made.reconstruct(test.select(turned))), rows(rebuilt)[turned])


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_latents_of_networks_are_decoded(name: str) -> None:
    made, test = fitted(name), parts("mlp").test
    latents = torch.stack(made.encode(test))
    full = made.embed(test, full=True)
    torch.testing.assert_close(full, latents.flatten(1), atol=0, rtol=0)
    if name != "graph_autoencoder":  # see test_graph_pooling.py
        torch.testing.assert_close(made.embed(test), latents.mean(1))
    decoded = made.decode(latents, test.architectures[0])
    torch.testing.assert_close(decoded, rows(made.reconstruct(test)), atol=0, rtol=0)
    listed = made.decode(made.encode(test), test.architectures[0])
    torch.testing.assert_close(listed, decoded, atol=0, rtol=0)
    for nothing in (latents[:0], []):
        assert made.decode(nothing, test.architectures[0]).shape == (0, decoded.shape[1])


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_is_kept_to_the_last_bit(name: str, tmp_path: Path) -> None:
    made, test = fitted(name), parts("mlp").test
    made.save(tmp_path / "kept")
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {"representation.json", "representation.safetensors"}
    again = load(tmp_path / "kept")
    assert (again.name, again.settings, again.seed) == (name, made.settings, made.seed)
    assert (again.history, again.report) == (made.history, made.report)
    torch.testing.assert_close(again.embed(test), made.embed(test), atol=0, rtol=0)
    first, second = rows(again.reconstruct(test)), rows(made.reconstruct(test))
    torch.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(tiny(name, epochs=3), "mlp")
    original, calls = Autoencoder.forward, [0]

    def stopped(self: Autoencoder, *batch: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == 4:  # a step and a validation make an epoch
            raise KeyboardInterrupt
        return original(self, *batch)

    monkeypatch.setattr(Autoencoder, "forward", stopped)
    cut = tiny(name, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, "mlp", work=tmp_path)
    with pytest.raises(RepresentationError, match="is not fitted; call fit first"):
        cut.embed(parts("mlp").test)
    again = fit(tiny(name, epochs=3), "mlp", work=tmp_path)
    assert calls[0] == 4 + 4
    test = parts("mlp").test
    torch.testing.assert_close(again.embed(test), whole.embed(test), atol=0, rtol=0)
    first, second = rows(again.reconstruct(test)), rows(whole.reconstruct(test))
    torch.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_fit_that_fails_changes_nothing(name: str, tmp_path: Path) -> None:
    made, own = fit(tiny(name, epochs=1), "mlp", work=tmp_path), parts("mlp")
    test = own.test
    before, report, known = made.embed(test), made.report, made.fitted_to
    inputs = own.inputs if made.settings.structure < 1 else None
    with pytest.raises(CheckpointError):
        made.fit(own.train.select(range(12)), own.valid, inputs=inputs, work=tmp_path)
    torch.testing.assert_close(made.embed(test), before)
    assert (made.report, made.fitted_to) == (report, known)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_network_alone_is_read_as_among_others(name: str) -> None:
    made, test = fitted(name, "cnn"), parts("cnn").test
    together, alone = made.encode(test), [made.encode(test.select([n]))[0] for n in range(2)]
    for first, second in zip(alone, together[:2], strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MIXED)
def test_several_architectures_in_one_representation(name: str) -> None:
    made, test = fitted(name, "mixed"), parts("mixed").test
    assert len(test.present) == 2
    assert made.embed(test).shape == (len(test), features_of(name))
    rebuilt = made.reconstruct(test)
    assert [len(state) for state in rebuilt.states] == [len(state) for state in test.states]
    for kind in (0, 1):
        members = (test.kind == kind).nonzero()[:, 0].tolist()
        own = made.embed(test.select(members))
        torch.testing.assert_close(own, made.embed(test)[members], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_two_networks_are_enough_and_one_is_read(name: str) -> None:
    population = parts("mlp").train
    train, one = population.select([0, 2]), population.select([4])
    made = tiny(name, epochs=1)
    inputs = parts("mlp").inputs if made.settings.structure < 1 else None
    made.fit(train, one, inputs=inputs)
    assert made.embed(one).shape == (1, features_of(name))
    assert rows(made.reconstruct(one)).isfinite().all()


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_weight_is_learnt(name: str) -> None:
    """Whatever is trained has a gradient, but for what a small case does not reach."""
    made, own = fitted(name), parts("mlp")
    module = made.module
    assert module is not None
    known = made._know(own.train.architectures[0])
    known.behaviour = None
    module.train()
    module.zero_grad()
    torch.manual_seed(0)
    latents = module.encode(known, rows(own.train))
    decoded = module.decode(known, latents)
    (decoded.square().mean() + latents.square().mean()).backward()
    module.eval()
    without = [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert [name for name in without if not name.startswith("project.")] == []


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_learning_lowers_the_error(name: str) -> None:
    made = fit(tiny(name, epochs=8), "mlp")
    losses = [row["loss"] for row in made.history]
    # The graph autoencoder begins where others arrive.
    assert min(losses) < (0.99 if name == "graph_autoencoder" else 0.97) * losses[0]


@pytest.mark.parametrize("size", ["published", "small"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_settings_are_data_and_can_be_replaced(name: str, size: str) -> None:
    made = make(name, size, latent_channels=7)
    assert made.settings == getattr(REPRESENTATIONS[name], size).replaced(latent_channels=7)


def test_another_order_of_training_networks_has_the_same_reference() -> None:
    own = parts("mlp")
    turned = replace(own, train=own.train.select(list(range(len(own.train)))[::-1]))
    references = [tiny("sane", epochs=1).fit(some.train, some.valid)._references
                  for some in (own, turned)]  # fmt: skip
    first, second = (dict(some.rows) for some in references if some is not None)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_test_networks_are_read_on_the_scale_of_the_training_networks() -> None:
    made = fitted("behavioural")
    zoo = MemoryZoo([MLP], 4)
    for state in zoo.states.values():
        for tensor in state.values():
            tensor.mul_(3)
    scaled = Population.load(zoo)
    known = made._know(scaled.architectures[0])
    fewer = scaled.select([0])
    assert torch.equal(known.normalise(rows(fewer)), known.normalise(rows(scaled))[:1])
    assert known.normalise(rows(scaled)).std() > 2


def test_history_is_that_of_the_loop() -> None:
    made = fitted("behavioural")
    assert [row["epoch"] for row in made.history] == [1, 2]
    assert made.report["epochs"] == 2
    assert made.report["best_epoch"] in (1, 2)
