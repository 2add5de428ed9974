"""The generator: it learns from prompts, is found by name, resumes bitwise, is saved and loaded."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gnncore.errors import CheckpointError
from graphwsl.errors import GraphwslError
from graphwsl.generators import load, make
from graphwsl.generators.generator import Generator
from graphwsl.generators.lora import (
    PromptToLora,
    adapted,
    adapted_networks,
    canonical,
    pairs_of,
    tokenize,
)
from graphwsl.generators.lora.module import PromptDecoder, run_adapted
from graphwsl.generators.module import Batch
from graphwsl.populations.population import Population
from graphwsl.zoo.zoo import Zoo
from tests.graphwsl.generators.lora.lora_cases import base, population, prompts, random_pairs

SMALL: dict[str, Any] = {
    "width": 16, "words": 6, "channels": 24, "prompts": 2, "token_width": 6, "batch_size": 4,
    "epochs": 3,
}  # fmt: skip
INPUTS = torch.randn(16, 5, generator=torch.Generator().manual_seed(5))


def texts(tasks: int) -> list[str]:
    return ["\n".join(some) for some in prompts(tasks)]


@cache
def fitted(**options: Any) -> PromptToLora:
    made = make("prompt_to_lora", **SMALL | options)
    assert isinstance(made, PromptToLora)
    return made.fit(population(), inputs=INPUTS)


def rows(made: Population) -> Tensor:
    return torch.stack(made.states)


PAIRS = {"pairs": 1.0, "product": 0.0, "behaviour": 0.0}
HYPER = {"decoder": "hyper_convolutional", "kernel": 3, "hidden": ((4, 6, 16), (4, 6, 16))}


@pytest.mark.parametrize(
    ("options", "share"),
    [
        (PAIRS, 0.35),
        pytest.param({**PAIRS, "pairs": 0.0, "product": 1.0}, 0.35, marks=pytest.mark.slow),
        pytest.param({**PAIRS, "pairs": 0.0, "behaviour": 1.0}, 0.35, marks=pytest.mark.slow),
        pytest.param({**PAIRS, **HYPER}, 0.8, marks=pytest.mark.slow),
        pytest.param({**PAIRS, "decoder": "attention"}, 0.5, marks=pytest.mark.slow),
    ],
)
def test_it_learns_the_networks_that_it_was_given(options: dict[str, Any], share: float) -> None:
    settings = {**SMALL, **options, "epochs": 60, "learning_rate": 2e-2, "noise": 0.0}
    settings["batch_size"] = 8
    some = population()
    made = make("prompt_to_lora", **settings, held_out=0.0)
    assert isinstance(made, PromptToLora)
    made.fit(some, valid=some, inputs=INPUTS)
    found = made.sample(8, condition=texts(8))
    wrong = made.sample(8, condition=texts(8)[4:] + texts(8)[:4])
    module = made.module
    assert module is not None
    near, far = (distances(module, some, one, options) for one in (found, wrong))
    assert near < share * far


def distances(
    module: PromptDecoder, some: Population, made: Population, options: dict[str, Any]
) -> float:
    """How far networks are from the given ones, in what their generator learns."""
    first, second = (pairs_of(rows(one), some.architectures[0]) for one in (some, made))
    if options["pairs"]:
        return float((tokenize(first, 6) - tokenize(second, 6)).nan_to_num().square().mean())
    if options["product"]:
        return sum(
            float((b @ a - second[n][1] @ second[n][0]).square().mean() / variance)
            for (n, (a, b)), variance in zip(first.items(), module.variance, strict=True)
        )
    function = some.functions[0]
    answers = [
        torch.stack([functional_call(function.module, unflat(state, some), (INPUTS,))
                     for state in one.states]).log_softmax(-1)
        for one in (some, made)
    ]  # fmt: skip
    return float((answers[0].exp() * (answers[0] - answers[1])).sum(-1).mean())


def unflat(state: Tensor, some: Population) -> dict[str, Tensor]:
    graph = some.architectures[0].graph
    return {
        name: state[graph.offsets[name] :][: tensor.numel()].view(tensor.shape)
        for name, tensor in graph.state.items()
    }


def test_adapters_change_and_the_base_does_not() -> None:
    made = fitted().sample(3, condition=texts(3))
    some = population()
    names = [name for name in some.architectures[0].graph.state if "base_layer" in name]
    assert len(names) == 4
    own = base().state_dict()
    for state in made.states:
        for name in names:
            torch.testing.assert_close(
                unflat(state, some)[name], own[name.replace(".base_layer", "")], rtol=0, atol=0
            )
    assert len({tuple(state.tolist()) for state in made.states}) == 3
    assert made.checkpoints[1].configuration["asked_prompts"] == texts(3)[1]


def test_terms_are_what_they_are_called() -> None:
    """Against plain loops over networks and layers."""
    made = fitted(pairs=2.0, product=3.0, behaviour=5.0, behaviour_inputs=16)
    module, some = made.module, population()
    assert module is not None
    module.teacher, module.inputs = some.functions[0], INPUTS
    codes = module.conditions.of_checkpoints(some.checkpoints)
    batch = Batch(some.architectures[0], rows(some), codes, torch.arange(8))
    found = module.terms(batch).detach()
    sampled = made.sample(8, condition=texts(8))
    first, second = (pairs_of(rows(one), some.architectures[0]) for one in (some, sampled))
    variances = {
        n: float((b @ a - (b @ a).mean(0)).square().mean())
        for n, (a, b) in learnt_pairs(made).items()
    }
    for number in range(8):
        one, other = (
            {n: b[number] @ a[number] for n, (a, b) in both.items()} for both in (first, second)
        )
        product = [float((one[n] - other[n]).square().mean()) / variances[n] for n in one]
        assert float(found[number, 1]) == pytest.approx(3 * sum(product) / 2, rel=1e-3)
        p, q = (
            functional_call(some.functions[0].module, unflat(two.states[number], some), (INPUTS,))
            .double()
            .softmax(-1)
            for two in (some, sampled)
        )
        expected = (p * (p.log() - q.log())).sum(-1).mean()
        assert float(found[number, 2]) == pytest.approx(5 * float(expected), rel=1e-3, abs=1e-5)


def learnt_pairs(made: PromptToLora) -> Any:
    """The pairs of the training part: whole tasks were held out."""
    some, known = population(), {text for (text,) in made.conditions.known}
    chosen = [c["prompts"] in known for c in some.checkpoints]
    return pairs_of(rows(some.select(chosen)), some.architectures[0])


def test_losses_have_gradients_for_every_parameter() -> None:
    made = fitted(pairs=1.0, product=1.0, behaviour=1.0)
    module, some = made.module, population()
    assert module is not None
    module.teacher, module.inputs = some.functions[0], INPUTS
    codes = module.conditions.of_checkpoints(some.checkpoints)
    for term in range(3):
        module.zero_grad()
        terms = module.terms(Batch(some.architectures[0], rows(some), codes, torch.arange(8)))
        terms[:, term].sum().backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def test_running_many_is_running_each() -> None:
    some = population(3)
    function = some.functions[0]
    pairs = random_pairs(3)
    state = {name: tensor.detach() for name, tensor in function.module.state_dict().items()}
    found = run_adapted(function.module, state, pairs, INPUTS)
    for number, own in enumerate(some.states):
        expected = functional_call(function.module, unflat(own, some), (INPUTS,))
        torch.testing.assert_close(found[number], expected)


def test_canonical_targets_do_not_depend_on_the_pairs_of_a_product() -> None:
    some = population()
    architecture = some.architectures[0]
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(8, 2, 2, generator=generator)
    moved = {n: (g @ a, b @ g.inverse()) for n, (a, b) in random_pairs(8).items()}
    from graphwsl.generators.lora.networks import with_pairs

    other = replace(some, states=[*with_pairs(rows(some), moved, architecture)])
    prepared = [PromptToLora(canonical=True)._prepared(one, learnt=True) for one in (some, other)]
    torch.testing.assert_close(rows(prepared[0]), rows(prepared[1]), rtol=1e-3, atol=1e-3)
    for name, (a, b) in pairs_of(rows(prepared[0]), architecture).items():
        expected = canonical(*random_pairs(8)[name])
        torch.testing.assert_close((a, b), expected)


def test_a_fit_that_was_interrupted_ends_bitwise_alike(tmp_path: Path) -> None:
    whole = fitted()
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    resumed = make("prompt_to_lora", **SMALL)
    assert isinstance(resumed, PromptToLora)
    resumed.fit(population(), inputs=INPUTS, work=tmp_path)
    assert resumed.history[0]["validation_loss"] == whole.history[0]["validation_loss"]
    assert torch.equal(
        rows(whole.sample(2, condition=texts(2))), rows(resumed.sample(2, condition=texts(2)))
    )
    with pytest.raises(CheckpointError, match="training data changed"):
        make("prompt_to_lora", **SMALL).fit(population(seed=1), work=tmp_path)


def interrupted(work: Path) -> None:
    calls, terms = 0, PromptDecoder.terms

    def killed(module: PromptDecoder, batch: Batch) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        return terms(module, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptDecoder, "terms", killed)
        made = make("prompt_to_lora", **SMALL)
        assert isinstance(made, PromptToLora)
        made.fit(population(), inputs=INPUTS, work=work)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    made, function = fitted(), population().functions[0]
    made.save(tmp_path)
    found = load(tmp_path)
    assert isinstance(found, PromptToLora)
    expected = rows(made.sample(2, condition=texts(2)))
    assert torch.equal(rows(found.sample(2, function, texts(2))), expected)
    seeded = [
        rows(one.sample(2, function, texts(2), torch.Generator().manual_seed(1)))
        for one in (made, found)
    ]
    assert torch.equal(*seeded)


def test_the_base_is_kept_with_it(tmp_path: Path) -> None:
    made, some = fitted(), population()
    made.save(tmp_path)
    found = load(tmp_path).sample(2, condition=texts(2))
    assert torch.equal(rows(found), rows(made.sample(2, condition=texts(2))))
    pairs = pairs_of(rows(found), found.architectures[0])
    base_of = {
        name: tensor.detach() for name, tensor in some.functions[0].module.named_parameters()
    }
    answers = [
        run_adapted(one.module, base_of, pairs, INPUTS)
        for one in (some.functions[0], found.functions[0])
    ]
    assert torch.equal(*answers)


class Doubled(torch.nn.Sequential):
    """A base that no file describes."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_a_base_of_ones_own_is_asked_for_after_loading(tmp_path: Path) -> None:
    network = adapted(Doubled(*base()), rank=2, alpha=4)
    some = adapted_networks(network, torch.zeros(2, 5), random_pairs(8), prompts(8))
    made = make("prompt_to_lora", **SMALL)
    made.fit(some)
    made.save(tmp_path)
    found = load(tmp_path)
    with pytest.raises(GraphwslError, match="does not hold the code of the networks") as caught:
        found.sample(1, condition=texts(1))
    assert "\n" not in str(caught.value)
    assert len(found.sample(1, some.functions[0], texts(1))) == 1


def another_base() -> Population:
    some, other = population(4), population(4)
    states = [state + 1 for state in other.states]
    return Population.join([some, replace(other, states=states)])


def without_prompts() -> Population:
    some = population(4)
    return replace(
        some, checkpoints=[replace(c, configuration={"seed": 1}) for c in some.checkpoints]
    )


def without_adapters() -> Population:
    from graphwsl.populations.population import Function

    function = Function.of(base(), INPUTS, "base")
    states = [function.architecture.graph.flat(dtype=torch.float32)] * 4
    return Population.alike(population(4).checkpoints, states, function)


@pytest.mark.parametrize(
    ("some", "options", "message"),
    [
        (another_base, {}, "is adapted from another base than"),
        (without_prompts, {}, "has no 'prompts'"),
        (without_adapters, {}, "have no low-rank adapters"),
        (population, {"condition": "test_accuracy"}, "asked for by 'prompts', got 'test_accuracy'"),
        (population, {"inputs": torch.zeros(0, 5)}, "there are no inputs"),
        (population, {"inputs": {}}, "there are no inputs"),
        (population, {"inputs": {"?": torch.zeros(1, 5)}}, "no samples of the task 'add"),
        (population, {"inputs": {"a": torch.zeros(1, 5), "b": torch.zeros(2, 5)}}, "of one shape"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(
    some: Any, options: dict[str, Any], message: str
) -> None:
    made: Generator = make("prompt_to_lora", **SMALL)
    with pytest.raises(GraphwslError, match=message) as caught:
        made.fit(some(), **options)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_asked_for_is_refused() -> None:
    made = fitted()
    for condition, message in (
        (None, "a text is missing that describes the task"),
        (" \n", "a text without words"),
        ("", "a text without words"),
        ("?\n \n", "a text without words"),
        ("two\n \n", "has no words"),
        ("two \ud800", "has half a character"),
        (["one", "two"], "one for each of 3 networks, got 2"),
        ({"accuracy": "x"}, "asked for by 'prompts', got accuracy"),
    ):
        with pytest.raises(GraphwslError, match=message):
            made.sample(3, condition=condition)
    with pytest.raises(GraphwslError, match="only answers count"):
        make("prompt_to_lora", **SMALL, pairs=0.0, product=0.0).fit(population())
    with pytest.raises(GraphwslError, match="decoder"):
        make("prompt_to_lora", decoder="best")


def test_answers_are_compared_on_samples_of_each_task() -> None:
    """Against one task after the other."""
    made, some = fitted(behaviour=1.0, behaviour_inputs=16), population()
    module, generator = made.module, torch.Generator().manual_seed(3)
    assert module is not None
    module.teacher = some.functions[0]
    own = {text: torch.randn(16, 5, generator=generator) for text in texts(8)}
    codes = module.conditions.of_checkpoints(some.checkpoints)
    batch = Batch(some.architectures[0], rows(some), codes, torch.arange(8))
    module.inputs = own
    found = module.terms(batch)[:, 2]
    for number, text in enumerate(texts(8)):
        module.inputs = own[text]
        torch.testing.assert_close(module.terms(batch)[number, 2], found[number])


def test_it_learns_on_samples_of_each_task() -> None:
    own = {text: INPUTS + n for n, text in enumerate(texts(8))}
    made = make("prompt_to_lora", **SMALL)
    assert isinstance(made, PromptToLora)
    made.fit(population(), inputs=own)
    shared = fitted()
    assert not torch.equal(
        rows(made.sample(1, condition=texts(1))), rows(shared.sample(1, condition=texts(1)))
    )


def described_zoo() -> Any:
    """A zoo whose data are described as three signals."""
    zoo = Mock(spec=Zoo)
    zoo.images.return_value = SimpleNamespace(
        descriptions=["first", "second", "third"], train=INPUTS
    )
    return zoo


def of_signals(*signals: Any) -> Population:
    some = population(len(signals))
    kept = [replace(c, configuration={"signal": signal})
            for c, signal in zip(some.checkpoints, signals, strict=True)]  # fmt: skip
    return replace(some, checkpoints=kept)


def test_prompts_are_those_of_the_signal_that_a_network_learnt() -> None:
    found = PromptToLora().read(of_signals(2, 0, None, 1), described_zoo())
    wanted = ["third", "first", "first", "second"]
    assert [c["prompts"] for c in found.checkpoints] == wanted


@pytest.mark.parametrize("signal", [3, 7, -1, 1.5, "1"])
def test_signals_that_the_data_do_not_have_are_refused(signal: Any) -> None:
    some = of_signals(0, signal)
    name = re.escape(some.checkpoints[1].model)
    with pytest.raises(GraphwslError, match=f"'{name}' learnt signal {signal!r}") as caught:
        PromptToLora().read(some, described_zoo())
    assert "\n" not in str(caught.value)
