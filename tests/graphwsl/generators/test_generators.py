"""What holds for every generator: it learns, samples, is asked, is kept, goes on after a stop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gnncore.errors import CheckpointError
from graphwsl.errors import GeneratorError, GraphwslError
from graphwsl.generators import GENERATORS, load, make
from graphwsl.generators.checks import parts_of
from graphwsl.generators.module import GeneratorModule
from graphwsl.populations import Population, evaluate
from tests.graphwsl.generators.method_cases import METHODS, fitted, population, rows, seeded, tiny
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo


def refusal(call: Callable[[], object], error: type[Exception] = GeneratorError) -> str:
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", METHODS)
def test_samples_are_a_population(name: str) -> None:
    made = fitted(name).sample(5, generator=seeded())
    assert len(made) == 5
    assert rows(made).isfinite().all()
    assert len({checkpoint.model for checkpoint in made.checkpoints}) == 5
    assert made.checkpoints[0].configuration["generator"] == name
    assert made.checkpoints[0].configuration["width"] == MLP["width"]
    inputs = torch.rand(7, 1, 3, 3, generator=seeded())
    found = evaluate(made, inputs, torch.zeros(7, dtype=torch.int64))
    assert found.accuracy.shape == (5,)


@pytest.mark.parametrize("name", METHODS)
def test_the_generator_of_random_numbers_decides(name: str) -> None:
    made = fitted(name)
    first, again, other = (made.sample(3, generator=seeded(n)) for n in (0, 0, 1))
    torch.testing.assert_close(rows(first), rows(again), atol=0, rtol=0)
    assert not torch.equal(rows(first), rows(other))
    assert not torch.equal(rows(first)[0], rows(first)[1])


@pytest.mark.parametrize("name", METHODS)
def test_is_kept_to_the_last_bit(name: str, tmp_path: Path) -> None:
    made = fitted(name, condition="size")
    made.save(tmp_path / "kept")
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {"generator.json", "generator.safetensors"}
    again = load(tmp_path / "kept")
    assert (again.name, again.settings, again.seed) == (name, made.settings, made.seed)
    assert (again.history, again.report, again.conditions) == (
        made.history, made.report, made.conditions,
    )  # fmt: skip
    first, second = (one.sample(3, generator=seeded()) for one in (made, again))
    torch.testing.assert_close(rows(first), rows(second), atol=0, rtol=0)
    assert first.checkpoints == second.checkpoints


@pytest.mark.parametrize("name", METHODS)
def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny(name).fit(population("mlp"))
    original, calls = GeneratorModule.forward, [0]

    def stopped(self: GeneratorModule, *batch: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == 5:
            raise KeyboardInterrupt
        return original(self, *batch)

    monkeypatch.setattr(GeneratorModule, "forward", stopped)
    cut = tiny(name)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(population("mlp"), work=tmp_path)
    assert "is not fitted; call fit first" in refusal(lambda: cut.sample(1))
    again = tiny(name).fit(population("mlp"), work=tmp_path)
    first, second = (one.sample(3, generator=seeded()) for one in (whole, again))
    torch.testing.assert_close(rows(first), rows(second), atol=0, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_fit_that_fails_changes_nothing(name: str, tmp_path: Path) -> None:
    own = population("mlp")
    made = tiny(name, epochs=1).fit(own, "size", work=tmp_path / "work")
    before, report, known = made.sample(3, generator=seeded()), made.report, made.fitted_to
    refusal(lambda: made.fit(own.select(range(12)), work=tmp_path / "work"), CheckpointError)
    torch.testing.assert_close(rows(made.sample(3, generator=seeded())), rows(before))
    assert (made.report, made.fitted_to, made.conditions.names) == (report, known, ["size"])
    first = tiny(name, epochs=2)
    refusal(lambda: first.fit(own, "size", work=tmp_path / "work"), CheckpointError)
    assert "is not fitted; call fit first" in refusal(lambda: first.sample(1))


@pytest.mark.parametrize("name", METHODS)
def test_conditions_do_something_and_are_said(name: str) -> None:
    made = fitted(name, condition="size")
    low, high = (
        made.sample(4, condition=value, generator=seeded()) for value in (-0.4, {"size": 0.4})
    )
    assert not torch.equal(rows(low), rows(high))
    assert [c.configuration["asked_size"] for c in low.checkpoints] == [-0.4] * 4
    each = made.sample(4, condition=[-0.4, -0.4, 0.4, 0.4], generator=seeded())
    torch.testing.assert_close(rows(each)[:2], rows(low)[:2], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(rows(each)[2:], rows(high)[2:], atol=1e-6, rtol=1e-5)
    known = [checkpoint.metrics["size"] for checkpoint in population("mlp").checkpoints]
    drawn = [c.configuration["asked_size"] for c in made.sample(9).checkpoints]
    assert set(drawn) <= set(known)


@pytest.mark.parametrize("name", METHODS)
def test_conditions_that_cannot_be(name: str) -> None:
    made = fitted(name, condition="size")
    assert "no condition 'sign'; choose size" in refusal(
        lambda: made.sample(2, condition={"sign": "large"})
    )
    assert "one for each of 2 networks, got 3" in refusal(
        lambda: made.sample(2, condition=[0.1, 0.2, 0.3])
    )
    assert "must be a number" in refusal(lambda: made.sample(2, condition="much"))
    assert "learnt no condition" in refusal(lambda: fitted(name).sample(2, condition=0.3))
    for condition, what in (("colour", "has no 'colour'"), ("train_accuracy", "in all"),
                            ([], "each once")):  # fmt: skip
        assert what in refusal(lambda c=condition: tiny(name).fit(population("mlp"), c))


@pytest.mark.parametrize("name", METHODS)
def test_classes_can_be_asked_for(name: str) -> None:
    made = tiny(name, epochs=1).fit(population("mlp"), ["sign", "size"])
    assert made.conditions.channels == 3
    sampled = made.sample(3, condition={"sign": "large"})
    assert {c.configuration["asked_sign"] for c in sampled.checkpoints} == {"large"}
    assert "none of large, small" in refusal(lambda: made.sample(1, condition={"sign": "huge"}))
    assert "say of which" in refusal(lambda: made.sample(1, condition="large"))


@pytest.mark.parametrize("name", METHODS)
def test_populations_that_cannot_be_learnt_from(name: str) -> None:
    own = population("mlp")
    assert "learns from at least" in refusal(lambda: tiny(name).fit(own.select([0])))
    assert "there are no networks" in refusal(lambda: tiny(name).fit(own.select([])))
    states = [state.clone() for state in own.states]
    states[3][0] = torch.nan
    assert "are not finite; leave the network out" in refusal(
        lambda: tiny(name).fit(replace(own, states=states))
    )
    assert "an architecture that is not learnt from" in refusal(
        lambda: tiny(name).fit(own, valid=population("cnn"))
    )
    if not GENERATORS[name].mixed:
        assert "networks of one architecture, got 2; choose equivariant_flow" in refusal(
            lambda: tiny(name).fit(population("mixed"))
        )


@pytest.mark.parametrize("name", METHODS)
def test_arguments_of_other_methods_are_refused(name: str) -> None:
    own, data = population("mlp"), (torch.rand(4, 1, 3, 3), torch.zeros(4, dtype=torch.int64))
    other: dict[str, Any] = {"inputs": data[0]}
    if name != "equivariant_flow":
        other = {"data": data}
        taken = refusal(lambda: tiny(name).fit(own, **other))
        assert f"'{name}' takes no data, which is of equivariant_flow; leave it out" in taken
    assert "leave it out, or choose another" in refusal(lambda: tiny(name).fit(own, **other))
    nonsense: dict[str, Any] = {"nonsense": 1}
    with pytest.raises(TypeError, match="nonsense"):
        tiny(name).fit(own, **nonsense)


@pytest.mark.parametrize("name", METHODS)
def test_architectures_that_cannot_be_made(name: str) -> None:
    made = fitted(name)
    for wrong in ({"width": "wide"}, {"architecture": "none"}):
        refusal(lambda w=wrong: made.sample(1, w), GraphwslError)
    assert "unknown factor 'widht', did you mean 'width'?" in refusal(
        lambda: made.sample(1, {"widht": 3})
    )
    deeper = Population.load(MemoryZoo([{**MLP, "depth": 3}], 1))
    refusal(lambda: made.sample(1, deeper.functions[0]))
    assert "functions of training networks fit" in refusal(
        lambda: made.sample(1, deeper.architectures[0])
    )


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_made_before_the_fit(name: str, tmp_path: Path) -> None:
    for call in (lambda: tiny(name).sample(1), lambda: tiny(name).save(tmp_path / "none")):
        assert f"'{name}' is not fitted; call fit first" in refusal(call)
    refusal(lambda: fitted(name).sample(0), GraphwslError)


def test_names_sizes_options_and_folders_that_are_none(tmp_path: Path) -> None:
    assert "did you mean 'equivariant_flow'" in refusal(lambda: make("equivariant_flows"))
    assert "choose published or small" in refusal(lambda: make("equivariant_flow", "large"))
    assert "channels" in refusal(lambda: make("equivariant_flow", chanels=3))
    assert "holds no generator" in refusal(lambda: load(tmp_path))
    assert "is no folder; give one of a generator" in refusal(lambda: load(tmp_path / "a"))


@pytest.mark.parametrize("size", ["published", "small"])
@pytest.mark.parametrize("name", METHODS)
def test_settings_are_data_and_can_be_replaced(name: str, size: str) -> None:
    made = make(name, size, epochs=7)
    assert made.settings == getattr(GENERATORS[name], size).replaced(epochs=7)


def test_networks_of_all_epochs_choose_the_epoch() -> None:
    """Every second checkpoint of networks with two each is of one epoch."""
    chosen = parts_of(population("mlp"), None, 0.0, 0)[1]
    epochs = [checkpoint.epoch for checkpoint in chosen.checkpoints]
    assert epochs.count(epochs[0]) == len(epochs) / 2


@pytest.mark.parametrize("name", METHODS)
def test_held_out_networks_are_not_learnt_from(name: str) -> None:
    own = population("mlp")
    made = tiny(name, epochs=1, held_out=0.1).fit(own)
    assert made.fitted_to is not None
    parts = made.fitted_to.parts(own, [""] * len(own))
    models: dict[str, set[str | None]] = {}
    for checkpoint, part in zip(own.checkpoints, parts, strict=True):
        models.setdefault(checkpoint.model, set()).add(part)
    assert sorted(map(sorted, models.values())) == [["train"]] * 11 + [["valid"]]
