"""A flow that learns from answers too: better networks, the same to the last bit after a stop."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gnncore.errors import CheckpointError
from graphwsl.generators import load, make
from graphwsl.generators.flow.answers import Answers
from graphwsl.generators.flow.calibration import stretch
from graphwsl.generators.flow.equivariant_flow import EquivariantFlow
from graphwsl.generators.flow.flow_module import FlowModule
from graphwsl.generators.flow.network import VelocityNetwork
from graphwsl.generators.flow.ode import integrate
from graphwsl.generators.module import GeneratorModule
from graphwsl.populations import Population, evaluate
from graphwsl.zoo.data_set import DataSet
from tests.graphwsl.generators.flow.flow_cases import (
    gaussian_population,
    refusal,
    trained_population,
)
from tests.graphwsl.generators.method_cases import TINY, rows, seeded
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

SHORT = {**TINY["equivariant_flow"], "epochs": 60, "batch_size": 20, "learning_rate": 3e-3,
         "average_decay": None, "calibration": 128}  # fmt: skip


def flow(**options: Any) -> EquivariantFlow:
    made = make("equivariant_flow", **{**SHORT, **options})
    assert isinstance(made, EquivariantFlow)
    return made


@cache
def trained() -> tuple[Population, Tensor, Tensor]:
    return trained_population(60)


def test_answers_make_networks_better_and_leave_them_as_different() -> None:
    own, x, y = trained()
    found, spread = {}, {}
    for weight in (0.0, 0.3):
        made = flow(behaviour=weight, behaviour_start=0.3).fit(own, data=(x, y))
        assert made.report["behaviour"] is (weight > 0)
        samples = made.sample(200, generator=seeded())
        found[weight] = float(evaluate(samples, x, y).accuracy.mean())
        spread[weight] = float(rows(samples).std(0).norm() / rows(own).std(0).norm())
    assert float(evaluate(own, x, y).accuracy.mean()) > 0.95
    assert found[0.3] > found[0.0] + 0.03
    assert 0.85 < spread[0.3] < 1.15


def test_the_gradient_of_answers_lowers_their_difference() -> None:
    """A step down the gradient, of networks of the same noise on the same samples."""
    own, x, y = trained()
    made = flow(epochs=3).fit(own)
    module = made._flow()
    module.settings = made.settings.replaced(behaviour=1.0)
    module.answers = answers = Answers.of(own, x, y)
    architecture = own.architectures[0]
    chosen, codes = answers.chosen(100, drawn=False), torch.zeros(40, 0)

    def difference() -> Tensor:
        made = module._measures(answers, architecture, codes, chosen, seeded())
        return (made - answers.measures(rows(own)[:40], architecture, chosen)).square().mean()

    before = difference()
    gradients = torch.autograd.grad(before, list(module.network.parameters()), allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(module.network.parameters(), gradients, strict=True):
            if gradient is not None:
                parameter.sub_(1e-2 * gradient)
        assert float(difference()) < float(before)


def test_losses_are_those_of_the_networks() -> None:
    own, x, y = trained()
    chosen = torch.tensor([3, 1, 7])
    found = Answers.of(own, x, y).measures(rows(own)[:4], own.architectures[0], chosen)
    module = own.functions[0].module
    for row, (value, error) in zip(rows(own)[:4], found.tolist(), strict=True):
        torch.nn.utils.vector_to_parameters(row, module.parameters())
        outputs = module(x[chosen]).detach()
        loss = cross_entropy(outputs, y[chosen]).item()
        assert value == pytest.approx(math.log(max(loss, 1e-3)), abs=1e-4)
        half = (outputs[:, 0] - outputs[:, 1]) / 2  # outputs less their mean are ± half
        right = torch.sigmoid(8 * half * (1 - 2 * y[chosen]) / half.square().mean().sqrt())
        assert error == pytest.approx(1 - right.mean().item(), abs=1e-4)


def test_soft_errors_are_near_errors() -> None:
    own, x, y = trained()
    answers, architecture = Answers.of(own, x, y), own.architectures[0]
    chosen, some = answers.chosen(200, drawn=False), rows(own)[:20]
    some = some + 0.3 * torch.randn(some.shape, generator=seeded())
    soft = answers.measures(some, architecture, chosen)[:, 1]
    noisy = Population.alike(own.checkpoints[:20], [*some], own.functions[0])
    wrong = 1 - evaluate(noisy, x, y).accuracy
    assert float(torch.corrcoef(torch.stack([soft, wrong]))[0, 1]) > 0.7


def test_gradients_go_through_the_last_steps_alone() -> None:
    """x' = a x: of two of four steps of Euler the derivative is that of (1 + a/4)²."""
    a = torch.tensor(0.8, requires_grad=True)
    found = integrate(lambda x, _: a * x, torch.ones(1, 1), 4, "euler", differentiated=2)
    assert found.item() == pytest.approx(1.2**4, rel=1e-5)
    (slope,) = torch.autograd.grad(found.sum(), a)
    assert float(slope) == pytest.approx(1.2**2 * 2 * 1.2 / 4, rel=1e-5)


def test_what_is_made_varies_as_much_as_what_was_learnt_from() -> None:
    own = gaussian_population(300)
    made = flow(epochs=2, learning_rate=1e-4, sweeps=0, calibration=2000).fit(own)
    with torch.no_grad():  # a flow whose networks vary too little
        for gaussian in made._flow().coordinates.kinds.values():
            gaussian.from_components.mul_(0.7)  # type: ignore[operator]
            gaussian.to_components.div_(0.7)  # type: ignore[operator]
            gaussian.moment.div_(0.7**2)  # type: ignore[operator]
    low = rows(made.sample(2000, generator=seeded())).std(0)
    made._calibrate(made._flow(), own)
    again = rows(made.sample(2000, generator=seeded())).std(0)
    assert float((again / low).mean()) == pytest.approx(1 / 0.7, rel=0.05)
    assert float((again / rows(own).std(0)).mean()) == pytest.approx(1, abs=0.1)


def test_what_is_made_is_as_far_from_networks_as_they_are_from_one_another() -> None:
    own = gaussian_population(120)
    reference = rows(own).mean(0)
    others = rows(gaussian_population(240))[120:]
    found = stretch(own, lambda factor: reference + factor * 0.95 * (others - reference), 120)
    assert found == pytest.approx(1 / 0.95, abs=0.02)


def test_a_stopped_fit_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, x, y = trained()
    options = {"behaviour": 0.3, "behaviour_start": 0.4, "epochs": 4, "average_decay": 0.9}
    whole = flow(**options).fit(own, data=(x, y))
    original, calls = GeneratorModule.forward, [0]

    def stopped(self: GeneratorModule, *batch: Any) -> Tensor:
        calls[0] += 1
        if calls[0] == 11:
            raise KeyboardInterrupt
        return original(self, *batch)

    monkeypatch.setattr(GeneratorModule, "forward", stopped)
    with pytest.raises(KeyboardInterrupt):
        flow(**options).fit(own, data=(x, y), work=tmp_path / "work")
    again = flow(**options).fit(own, data=(x, y), work=tmp_path / "work")
    again.save(tmp_path / "kept")
    made = [one.sample(3, generator=seeded()) for one in (whole, again, load(tmp_path / "kept"))]
    torch.testing.assert_close(rows(made[0]), rows(made[1]), atol=0, rtol=0)
    torch.testing.assert_close(rows(made[0]), rows(made[2]), atol=0, rtol=0)


def test_data_of_a_zoo_are_taken_and_no_data_leave_weights_alone() -> None:
    made, own = flow(epochs=1), trained()[0]
    assert made.settings.behaviour > 0
    assert made.fit(own).report["behaviour"] is False


@pytest.mark.parametrize("other", ["none", "numbers", "signals"])
def test_data_of_a_zoo_are_forgotten_with_the_next(other: str) -> None:
    """A zoo without data, of numbers in place of classes, and of several signals."""
    own, x, y = trained()
    numbers, signals = torch.rand(len(x), 2), y.expand(3, -1)
    others = {
        "none": None,
        "numbers": DataSet(x, numbers, x, numbers),
        "signals": DataSet(x, signals, x, signals, classes=2, signals=3),
    }
    asked = flow(epochs=1, behaviour=0.5, calibration=0)
    asked.fit(asked.read(own, zoo_of(DataSet(x, y, x, y, classes=2))))
    assert asked.report["behaviour"] is True
    asked.read(own, zoo_of(others[other]))
    assert "behaviour=0.5 compares" in refusal(lambda: asked.fit(own))


def zoo_of(data: DataSet | None) -> MemoryZoo:
    zoo = MemoryZoo([], 0)
    if data is not None:
        zoo.images = lambda: data  # type: ignore[method-assign]
    return zoo


def test_zoos_whose_networks_have_no_answers_are_learnt_from_by_weights() -> None:
    """Batch norms: nobody asked for behaviour, and the zoo has data."""
    residual = {**SMALL_CNN, "architecture": "resnet8", "in_channels": 1}
    own, made = Population.load(MemoryZoo([residual], 4)), make("equivariant_flow", **SHORT)
    assert isinstance(made, EquivariantFlow)
    made._data = torch.rand(20, 1, 8, 8, generator=seeded()), torch.zeros(20, dtype=torch.int64)
    made.settings = made.settings.replaced(epochs=1)
    assert made.fit(own).report["behaviour"] is False


def test_the_report_says_whether_answers_counted_in_what_is_kept() -> None:
    """The rate is so high that the last epoch, the only one with answers, is not the best."""
    own, x, y = trained()
    options = {"behaviour": 0.5, "epochs": 4, "learning_rate": 1.0, "held_out": 0.2}
    made = flow(**options, behaviour_start=0.9, calibration=0).fit(own, data=(x, y))
    assert made.report["best_epoch"] < 4
    assert made.report["behaviour"] is False
    made = flow(**options, behaviour_start=0.3, calibration=0).fit(own, data=(x, y))
    assert made.report["behaviour"] is True


@pytest.mark.parametrize("weight", [0.001, 0.1])
def test_answers_choose_the_epoch_where_there_are_any(weight: float) -> None:
    """The loss would choose another, for both weights where this was written."""
    own, x, y = trained()
    options = {"behaviour": weight, "behaviour_start": 0.3, "epochs": 40, "held_out": 0.2,
               "learning_rate": 1e-2, "schedule": None, "calibration": 0}  # fmt: skip
    made = flow(**options).fit(own, data=(x, y))
    best = min(made.history, key=lambda row: row["validation_behaviour"])
    assert made.report["best_epoch"] == best["epoch"]
    assert made.report["loss"] == best["validation_loss"]
    alone = flow(**{**options, "behaviour": 0.0, "epochs": 10}).fit(own)
    least = min(alone.history, key=lambda row: row["validation_loss"])
    assert alone.report["best_epoch"] == least["epoch"]


def test_sizes_are_imagined() -> None:
    """Beside two architectures, of which one batch has both."""
    x, y = trained()[1:]
    own = Population.join([trained()[0], gaussian_population(9, width=3, activation="relu")])
    made = flow(epochs=2, behaviour=0.1, behaviour_start=0.0, behaviour_error=1.0,
                behaviour_sizes={"width": (9,)}, batch_size=7)  # fmt: skip
    made.fit(own, data=(x, y))
    assert len(made.sample(2, {"width": 9}).states[0]) == 9 * 4 + 9 + 18 + 2


def test_sizes_are_imagined_when_known_ones_have_been_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the middle of the time in which answers count; what chooses the epoch always does."""
    own, x, y = trained()
    seen: dict[tuple[bool, bool], list[int]] = {}
    measure = FlowModule._measures

    def noted(self: FlowModule, answers: Answers, architecture: Any, *rest: Any) -> Tensor:
        kind = architecture in answers.imagined, self.training
        seen.setdefault(kind, []).append(int(self.seen))
        return measure(self, answers, architecture, *rest)

    monkeypatch.setattr(FlowModule, "_measures", noted)
    made = flow(epochs=10, behaviour=0.1, behaviour_start=0.2, behaviour_sizes={"width": (9,)})
    made.fit(own, data=(x, y))
    every = 10 * len(own)
    assert min(seen[False, True]) == 0.2 * every + 20  # the step counts its own networks
    assert min(seen[True, True]) == 0.6 * every + 20
    assert len(seen[True, False]) == len(seen[False, False])


def test_all_sizes_that_are_imagined_choose_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    own, x, y = trained()
    seen: list[str] = []
    measure = FlowModule._measures

    def noted(self: FlowModule, answers: Answers, architecture: Any, *rest: Any) -> Tensor:
        if not self.training:
            seen.append(architecture.digest)
        return measure(self, answers, architecture, *rest)

    monkeypatch.setattr(FlowModule, "_measures", noted)
    made = flow(epochs=1, behaviour=0.1, behaviour_sizes={"width": (6, 7, 8)})
    made.fit(own, data=(x, y))
    assert len(set(seen)) == 4


@pytest.mark.parametrize("sizes", [{"width": (6, 1)}, {"width": (1, 6)}, {"depth": (1, 2)}])
def test_sizes_that_cannot_be_made_are_refused_before_the_first_step(
    sizes: dict[str, tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, x, y = trained()
    monkeypatch.setattr(FlowModule, "terms", None)
    made = flow(epochs=30, behaviour=0.3, behaviour_sizes=sizes)
    assert f"behaviour_sizes={sizes} ask for" in refusal(lambda: made.fit(own, data=(x, y)))


def test_patience_lasts_until_answers_count() -> None:
    own, x, y = trained()
    made = flow(epochs=40, behaviour=0.3, behaviour_start=0.6, patience=24)
    assert "patience=24 may end the training before answers count, after 24 epochs" in refusal(
        lambda: made.fit(own, data=(x, y))
    )
    flow(epochs=4, behaviour=0.3, behaviour_start=0.5, patience=3).fit(own, data=(x, y))


def test_a_loaded_flow_knows_that_answers_were_asked_for(tmp_path: Path) -> None:
    own, x, y = trained()
    made = flow(epochs=1, behaviour=0.3, behaviour_start=0.0).fit(own, data=(x, y))
    made.save(tmp_path)
    again = load(tmp_path)
    assert "behaviour=0.3 compares" in refusal(lambda: again.fit(own))


def test_a_fit_does_not_go_on_with_other_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a version began it in which flows of several depths had absolute ones."""
    own = Population.load(MemoryZoo([{**MLP, "depth": 2}, {**MLP, "depth": 3}], 12))
    with monkeypatch.context() as patch:
        build = VelocityNetwork.__init__

        def absolute(self: VelocityNetwork, *args: Any, relative: bool) -> None:
            build(self, *args, relative=False)

        patch.setattr(VelocityNetwork, "__init__", absolute)
        flow(epochs=1).fit(own, work=tmp_path)
    with pytest.raises(CheckpointError, match="objective"):
        flow(epochs=1).fit(own, work=tmp_path)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool])
def test_data_of_other_types_are_learnt_from_alike(dtype: torch.dtype) -> None:
    own, x, y = trained()
    options: dict[str, Any] = {"epochs": 2, "behaviour": 0.5, "behaviour_start": 0.0}
    plain = flow(**options).fit(own, data=(x, y))
    other = flow(**options).fit(own, data=(x.double().requires_grad_(), y.to(dtype)))
    assert other.history[-1]["validation_behaviour"] == plain.history[-1]["validation_behaviour"]


def test_what_cannot_be_is_said_in_one_line() -> None:
    own, x, y = trained()
    asked = flow(behaviour=0.5, epochs=1)
    assert "behaviour=0.5 compares" in refusal(lambda: asked.fit(own))
    assert "give data=(samples, classes), or choose behaviour=0" in refusal(lambda: asked.fit(own))
    assert "data has samples" in refusal(lambda: asked.fit(own, data=(x, y[:5])))
    assert "do not classify samples of shape (1, 3, 3)" in refusal(
        lambda: asked.fit(own, data=(torch.zeros(6, 1, 3, 3), y[:6]))
    )
    # Whichever sample it is: only the first ones are looked at before the training.
    late = torch.cat([y, y, torch.tensor([4])])
    said = refusal(lambda: asked.fit(own, data=(torch.cat([x, x, x[:1]]), late)))
    assert "networks 'mlp' have 2 outputs, and data classes up to 4" in said
    misspelt = flow(behaviour=0.5, epochs=1, behaviour_sizes={"widht": (9,)})
    assert "widht" in refusal(lambda: misspelt.fit(own, data=(x, y)))
    for size in ({"behaviour": 0.0}, {"size": "published"}):
        said = refusal(
            lambda own=size: make("equivariant_flow", **own, behaviour_sizes={"width": (9, 12)})
        )
        assert "behaviour_sizes={'width': (9, 12)} are compared by what networks answer" in said
        assert "behaviour=0 compares nothing; give behaviour=0.3" in said
    unheard = make("equivariant_flow", epochs=1, behaviour_sizes={"width": (9,)})
    assert "behaviour=0.3 compares" in refusal(lambda: unheard.fit(own))
    other = flow(behaviour=0.5, epochs=1, behaviour_sizes={"image_size": (4,)})
    assert "do not classify samples of shape (1, 2, 2)" in refusal(
        lambda: other.fit(own, data=(x, y))
    )
    normed = Population.load(
        MemoryZoo([{**SMALL_CNN, "architecture": "resnet8", "in_channels": 1}], 4)
    )
    images = torch.rand(20, 1, 8, 8)
    assert "have batch norms" in refusal(
        lambda: flow(behaviour=0.5).fit(normed, data=(images, torch.zeros(20).long()))
    )
    for options in ({"behaviour": -1.0}, {"behaviour_steps": 0}, {"behaviour_start": 1.0},
                    {"behaviour_sizes": {"width": "wide"}}, {"behaviour_sizes": {"width": ()}},
                    {"calibration": -1}):  # fmt: skip
        assert next(iter(options)) in refusal(lambda o=options: flow(**o))
