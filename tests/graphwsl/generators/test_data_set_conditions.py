"""Data sets as conditions: any order is the same, other data are not, samples stand for names."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from graphwsl.errors import GeneratorError, InvalidArgumentError
from graphwsl.generators import load, make
from graphwsl.generators.data_sets import DataSets
from graphwsl.generators.flow.equivariant_flow import EquivariantFlow
from graphwsl.generators.known_data_sets import KnownDataSets, Labelled
from graphwsl.populations import Population
from tests.graphwsl.generators.flow.flow_cases import gaussian_population
from tests.graphwsl.generators.method_cases import TINY, rows, seeded


def sample(shift: float, count: int = 40, seed: int = 0) -> Labelled:
    """Two classes whose samples lie on either side of a shifted point."""
    generator = seeded(seed)
    y = torch.randint(2, (count,), generator=generator)
    return torch.randn(count, 1, 2, 2, generator=generator) + shift + 2 * y.view(-1, 1, 1, 1), y


SETS = DataSets("data", {"low": sample(-2.0), "high": sample(2.0)})


def networks(count: int = 60) -> Population:
    """Networks for one of two data sets, whose weights have another sign in each."""
    own = gaussian_population(count)
    names = ["low" if n % 2 else "high" for n in range(count)]
    checkpoints = [
        replace(c, configuration={**c.configuration, "data": name})
        for c, name in zip(own.checkpoints, names, strict=True)
    ]
    states = [state.abs() * (1 if name == "high" else -1)
              for state, name in zip(own.states, names, strict=True)]  # fmt: skip
    return Population.alike(checkpoints, states, own.functions[0])


@cache
def fitted() -> EquivariantFlow:
    made = make("equivariant_flow", epochs=60, batch_size=20, learning_rate=1e-2,
                average_decay=None, **{**TINY["equivariant_flow"], "steps": 8})  # fmt: skip
    made.fit(networks(), SETS)
    assert isinstance(made, EquivariantFlow)
    return made


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(GeneratorError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unchecked(**options: Any) -> None:
    """Data sets of these options, whose types are checked in tests alone."""
    made = object.__new__(DataSets)
    vars(made).update({"name": "data", "samples": SETS.samples, **options})
    made.__post_init__()


def test_no_order_of_samples_is_seen() -> None:
    x, y = sample(1.0)
    order = torch.randperm(len(x), generator=seeded(3))
    first, again = SETS.describe((x, y)), SETS.describe((x[order], y[order]))
    torch.testing.assert_close(first, again, atol=1e-6, rtol=1e-6)
    made = [
        rows(fitted().sample(3, condition={"data": one}, generator=seeded()))
        for one in ((x, y), (x[order], y[order]))
    ]
    torch.testing.assert_close(made[0], made[1], atol=1e-4, rtol=1e-4)
    mixed = SETS.describe((x, y[order]))  # other labels are another data set
    assert float((mixed - first).abs().max()) > 0.1


def test_networks_are_those_of_the_data() -> None:
    """Samples that were never seen are told apart, as the two data sets are by name."""
    for asked in ({"data": "low"}, {"data": sample(-2.0, 50, seed=7)}):
        assert float(rows(fitted().sample(40, condition=asked, generator=seeded())).mean()) < -0.3
    for asked in ("high", sample(2.0, 30, seed=7)):
        assert float(rows(fitted().sample(40, condition=asked, generator=seeded())).mean()) > 0.3


def test_each_network_can_have_data_of_its_own() -> None:
    given = sample(-2.0, seed=2)
    made = fitted().sample(3, condition=[given, "high", given], generator=seeded())
    assert [c.configuration["asked_data"] for c in made.checkpoints] == ["given", "high", "given"]
    drawn = fitted().sample(20, generator=seeded())
    assert {c.configuration["asked_data"] for c in drawn.checkpoints} == {"low", "high"}


def test_data_sets_beside_properties() -> None:
    own = networks(20)
    for n, checkpoint in enumerate(own.checkpoints):
        checkpoint.metrics["size"] = float(n)
    made = make("equivariant_flow", epochs=1, **TINY["equivariant_flow"]).fit(own, ["size", SETS])
    assert made.conditions.names == ["size", "data"]
    some = made.sample(2, condition={"size": (1.0, 2.0), "data": "low"}, generator=seeded())
    assert [c.configuration["asked_size"] for c in some.checkpoints] == [1.0, 2.0]


def test_kept_with_the_generator(tmp_path: Path) -> None:
    fitted().save(tmp_path / "kept")
    again = load(tmp_path / "kept")
    for asked in ("low", sample(0.5)):
        first, second = (
            rows(one.sample(2, condition={"data": asked}, generator=seeded()))
            for one in (fitted(), again)
        )
        torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-6)


def test_samples_are_not_kept_and_are_read_where_they_were(tmp_path: Path) -> None:
    """A file of some hundreds of images would be megabytes of text."""
    fitted().save(tmp_path / "kept")
    kept = (tmp_path / "kept" / "generator.json").read_text()
    x, _ = SETS.samples["low"]
    assert repr(float(x.flatten()[0])) not in kept
    assert len(json.dumps(SETS.known.to_json())) < 4000 * len(SETS.samples)
    old = [[value, list(x.shape), x.flatten().tolist(), y.tolist()]
           for value, (x, y) in SETS.samples.items()]  # fmt: skip
    again = KnownDataSets.from_json(
        {"name": "data", "samples": old, "classes": None, "features": SETS.features}
    )
    for value in ("low", "high"):
        assert torch.equal(again.of_value(value), SETS.known.of_value(value))
    assert torch.equal(again.describe(sample(0.5)), SETS.describe(sample(0.5)))


def test_what_is_no_data_set() -> None:
    x, y = sample(0.0)
    made = fitted()
    assert "one of low, high, got 'none'" in refusal(lambda: made.sample(1, condition="none"))
    assert "of 4 numbers and of 2 classes" in refusal(
        lambda: made.sample(1, condition=(torch.zeros(3, 5), torch.zeros(3).long()))
    )
    assert "and of 2 classes, got 4 and 6" in refusal(
        lambda: made.sample(1, condition=(x, torch.full_like(y, 5)))
    )
    assert "a class from 0 for each" in refusal(lambda: made.sample(1, condition=(x, y[1:])))
    assert "not finite" in refusal(lambda: made.sample(1, condition=(x * torch.nan, y)))
    assert "at least two" in refusal(lambda: DataSets("data", {"low": (x, y)}))
    assert "of one shape" in refusal(
        lambda: DataSets("data", {"low": (x, y), "high": (x[:, :, :1], y)})
    )
    with pytest.raises(InvalidArgumentError, match="samples must be a mapping, got a list"):
        unchecked(samples=[(x, y), (x, y)])
    assert "data set 'low' is Tensor; give a pair" in refusal(
        lambda: unchecked(samples={"low": x, "high": (x, y)})
    )
    other = make("equivariant_flow", **TINY["equivariant_flow"])
    assert "has no 'data'" in refusal(lambda: other.fit(gaussian_population(4), SETS))
    assert "one DataSets at most" in refusal(lambda: other.fit(networks(4), [SETS, SETS]))


@pytest.mark.parametrize("factor", [1e300, 1e38, 1e25])
def test_samples_beyond_single_precision_are_refused(factor: float) -> None:
    """Whether they, or what becomes of them, are finite no longer."""
    x, y = sample(0.0)
    large = x.double() * factor, y
    message = "are too large for single" if factor < 1e38 else "finite|large"
    with pytest.raises(GeneratorError, match=message):
        DataSets("data", {"low": (x, y), "high": large})
    if factor > 1e30:
        with pytest.raises(GeneratorError, match=message):
            fitted().sample(1, condition={"data": large})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes must be from 2 to 65536, got 1"),
        ({"classes": 0}, "classes must be from 2 to 65536, got 0"),
        ({"classes": 2.0}, "classes must be an integer, got 2.0"),
        ({"features": 0}, "features must be from 1 to 1000000, got 0"),
        ({"features": "many"}, "features must be an integer, got 'many'"),
        ({"name": 3}, "name must be a text, got 3"),
    ],
)
def test_options_of_data_sets(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        unchecked(**options)
    assert str(caught.value) == message


def test_classes_beyond_those_that_there_are() -> None:
    x, y = sample(0.0)
    said = refusal(lambda: DataSets("data", {"low": (x, y), "high": (x, y + 4)}, classes=3))
    assert said == "data set 'high' has classes up to 5, and there are 3, from 0; choose classes=6"


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool])
def test_classes_of_any_whole_type_are_the_same(dtype: torch.dtype) -> None:
    x, y = sample(0.5)
    assert torch.equal(SETS.describe((x, y.to(dtype))), SETS.describe((x, y)))
