"""Adapters are judged at tasks that nobody learnt, each on its own labels."""

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import GraphwslError
from graphwsl.generators import make
from graphwsl.generators.lora import PromptToLora, adapted, adapted_networks, pairs_of
from graphwsl.generators.lora.adapter_card import adapter_card
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.populations import Population
from graphwsl.zoo.data_set import DataSet
from tests.graphwsl.generators.lora.lora_cases import base, random_pairs

TASKS = 6
SCALING = 2.0
TEXTS = ["add one", "add two", "turn left", "turn right", "swap both", "keep all"]


@cache
def world() -> tuple[PromptToLora, Population, DataSet]:
    """Adapters of six tasks, of which the first four are learnt from."""
    network = adapted(base(), rank=2, alpha=2 * SCALING)
    some = adapted_networks(
        network, torch.zeros(2, 5), random_pairs(TASKS, seed=1), [[text] for text in TEXTS]
    )
    some = replace(some, checkpoints=[
        replace(one, configuration={**one.configuration, "signal": number})
        for number, one in enumerate(some.checkpoints)
    ])  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    inputs, labels = (
        torch.randn(30, 5, generator=generator),
        torch.randint(3, (TASKS, 30), generator=generator),
    )
    data = DataSet(inputs, labels, inputs, labels, classes=3, signals=TASKS)
    made = make(
        "prompt_to_lora", width=16, words=4, channels=16, token_width=6, epochs=2, prompts=1,
        batch_size=4,
    )  # fmt: skip
    assert isinstance(made, PromptToLora)
    return made.fit(some.select(range(4)), valid=some.select(range(4))), some, data


def accuracy(pairs: Pairs, number: int, task: int) -> float:
    """Of the base with one adapter added to its weights, an ordinary network."""
    merged, data = copy.deepcopy(base()), world()[2]
    for name, (a, b) in pairs.items():
        layer = merged.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        layer.weight.data += SCALING * b[number] @ a[number]
    right: Tensor = merged(data.test).argmax(1) == data.test_labels[task]
    return float(right.float().mean())


def own_pairs(some: Population) -> Pairs:
    return pairs_of(torch.stack(some.states), some.architectures[0])


def test_each_is_judged_at_its_own_task(tmp_path: Path) -> None:
    made, some, data = world()
    card = adapter_card(made, some.select(range(4)), some.select([4, 5]), data)
    assert card.prompts == TEXTS[4:]
    found = {name: values.tolist() for name, values in card.accuracies.items()}
    trained = own_pairs(some)
    assert found["trained"] == pytest.approx([accuracy(trained, n, n) for n in (4, 5)])
    for name, texts in (("made", TEXTS[4:]), ("wrong_prompt", TEXTS[:3:-1])):
        asked = made.sample(2, condition=texts, generator=torch.Generator().manual_seed(0))
        pairs = own_pairs(asked)
        assert found[name] == pytest.approx([accuracy(pairs, n, 4 + n) for n in (0, 1)])
    single = [max(accuracy(trained, n, task) for n in range(4)) for task in (4, 5)]
    assert found["best_single"] == pytest.approx(single)
    card.save(tmp_path / "card.json")
    kept = json.loads((tmp_path / "card.json").read_text())
    assert kept["tasks"] == 2
    assert kept["accuracy"]["best_single"] == pytest.approx(sum(single) / 2)


def test_tasks_that_were_learnt_from_tell_nothing() -> None:
    made, some, data = world()
    train = some.select(range(4))
    card = adapter_card(made, train, some.select([0, 4, 5]), data, tasks=1)
    assert card.prompts == TEXTS[4:5]
    assert "wrong_prompt" not in card.accuracies  # there is no other task
    with pytest.raises(GraphwslError, match="all tasks of the networks that are held out"):
        adapter_card(made, train, train, data)
    plain = DataSet(data.train, data.train_labels[0], data.test, data.test_labels[0], classes=3)
    with pytest.raises(GraphwslError, match="of each task its own, and these data have none"):
        adapter_card(made, train, some, plain)
