"""The representation of a hub: windows of networks of any size, and architectures never seen."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graphwsl.errors import RepresentationError
from graphwsl.imports import list_hub_cache
from graphwsl.populations import Population
from graphwsl.populations.hub_models import hub_networks
from graphwsl.representations import make
from graphwsl.representations.hub import Hub, HubAutoencoder
from graphwsl.representations.known import Known
from tests.graphwsl.imports.hub_cases import model, repository
from tests.graphwsl.representations.representation_cases import parts

TINY = {"channels": 16, "blocks": 1, "heads": 2, "latent_channels": 5, "width": 6, "window": 4,
        "halo": 1, "windows": 3, "epochs": 2, "learning_rate": 1e-2, "contrast": 0.0}  # fmt: skip


def hub(**options: object) -> Hub:
    made = make("hub", **{**TINY, **options})
    assert isinstance(made, Hub)
    return made


def test_architectures_that_were_never_seen_validate_and_come_back() -> None:
    train, other = parts("mlp").train, parts("cnn").test
    made = hub().fit(train, other)
    assert all(math.isfinite(row["validation_structure"]) for row in made.history)
    both = Population.join([parts("mlp").test, other])
    assert made.embed(both).shape == (len(both), 5)
    rebuilt = made.reconstruct(both)
    assert [len(one) for one in rebuilt.states] == [len(one) for one in both.states]


def test_networks_are_read_in_units_of_their_usual_size() -> None:
    """Larger networks of the same kind are the same to the method, and come back larger."""
    own = parts("cnn")

    def times(population: Population, factor: float) -> Population:
        return replace(population, states=[factor * state for state in population.states])

    made = hub().fit(own.train, own.valid)
    large = hub().fit(times(own.train, 1024.0), times(own.valid, 1024.0))
    torch.testing.assert_close(large.embed(times(own.test, 1024.0)), made.embed(own.test))
    rows = torch.stack(made.reconstruct(own.test).states)
    torch.testing.assert_close(
        torch.stack(large.reconstruct(times(own.test, 1024.0)).states), 1024 * rows
    )


def test_training_lowers_the_error_of_networks_that_were_not_learnt_from() -> None:
    own = parts("mixed")
    made = hub(epochs=12, learning_rate=3e-2).fit(own.train, own.valid)
    losses = [row["validation_structure"] for row in made.history]
    assert min(losses) < 0.8 * losses[0]


def test_validation_looks_at_the_same_windows_each_time_and_training_at_others() -> None:
    own = parts("cnn")
    made = hub().fit(own.train, own.valid)
    module = made.module
    assert isinstance(module, HubAutoencoder)
    known = Known.of(own.test.architectures[0], None)
    rows = torch.stack(own.test.states)
    assert len(module.tokenizer(known).layout.mask) > module.length
    first, second = module.terms(known, rows), module.terms(known, rows)
    assert torch.equal(first, second)
    assert first.shape == (len(rows), 3)
    # Networks do not see one another: on their own scale each has the error that it has alone.
    plain = hub(normalise="none").fit(own.train, own.valid).module
    assert isinstance(plain, HubAutoencoder)
    together = plain.terms(known, rows)
    alone = torch.cat([plain.terms(known, row[None]) for row in rows])
    torch.testing.assert_close(together, alone)
    module.train()
    torch.manual_seed(0)
    assert not torch.equal(module.terms(known, rows), module.terms(known, rows))


def test_windows_of_validation_reach_from_end_to_end() -> None:
    own = parts("cnn")
    module = hub().fit(own.train, own.valid).module
    assert isinstance(module, HubAutoencoder)
    windows = module._windows(50)
    assert (int(windows.index.min()), int(windows.index.max())) == (0, 49)
    assert len(module._windows(module.length + 1).index) == 2  # no window twice
    assert bool(windows.is_core.all())


def test_contrast_tells_windows_from_one_another() -> None:
    own = parts("cnn")
    made = hub(contrast=0.5).fit(own.train, own.valid)
    module = made.module
    assert isinstance(module, HubAutoencoder)
    known = Known.of(own.test.architectures[0], None)
    rows = torch.stack(own.test.states)
    with torch.no_grad():
        assert not module.terms(known, rows)[:, 1].any()
        assert float(module.train().terms(known, rows)[:, 1].min()) > 0


def test_tensors_without_a_program_are_read(tmp_path: Path) -> None:
    for number in range(3):
        repository(tmp_path, f"owner/{number}", model(number))
    population = hub_networks(list_hub_cache(tmp_path)).population
    made = hub(width=4, window=2, halo=0).fit(population.select([0, 1]), population.select([2]))
    assert made.embed(population).isfinite().all()


@pytest.mark.parametrize("option", [{"views": 3}, {"align": True}, {"structure": 0.5}])
def test_networks_of_a_hub_are_not_run_or_moved(option: dict[str, object]) -> None:
    own = parts("mlp")
    with pytest.raises(RepresentationError, match="are not run, moved or aligned"):
        hub(**option).fit(own.train, own.valid)


def test_one_network_is_too_few() -> None:
    own = parts("mlp")
    with pytest.raises(RepresentationError, match="two networks at least"):
        hub().fit(own.train.select([0]), own.valid)
    with pytest.raises(RepresentationError, match="validated on one, got 16 and 0"):
        hub().fit(own.train, own.valid.select([]))


def test_the_published_size_is_that_of_the_publication() -> None:
    settings = Hub.published
    with torch.device("meta"):
        module = HubAutoencoder(settings, 288, (1, 1, 1), 256, latent_of_all=False)
    # The projection for the contrast is left away at inference.
    backbone = sum(one.numel() for one in module.networks.parameters())
    assert backbone == pytest.approx(456e6, rel=0.01)


@pytest.mark.parametrize("name", ["hub", "multi_zoo"])
def test_longer_networks_than_all_that_were_learnt_from_are_read(name: str) -> None:
    """Where those are shorter than a window, and not longer than both halos."""
    few = {"window": 64, "halo": 6, "width": 40, "positions": "sinusoidal"}
    options = {**TINY, **few} if name == "hub" else {**few, "channels": 16, "heads": 2, "epochs": 1}
    own, longer = parts("mlp"), parts("cnn").test
    made = make(name, **options).fit(own.train, own.valid)
    assert made.embed(longer).isfinite().all()
    rebuilt = made.reconstruct(longer)
    assert [len(one) for one in rebuilt.states] == [len(one) for one in longer.states]
