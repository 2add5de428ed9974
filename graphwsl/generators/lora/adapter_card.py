"""How good adapters are that were made for tasks that were never trained, beside what is free."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gnncore.storage import make_folder, write_json
from graphwsl.errors import GeneratorError, ZooError
from graphwsl.generators.lora.conditions import text_of
from graphwsl.generators.lora.generator import PromptToLora
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.generators.lora.networks import pairs_of, shared_base, with_pairs
from graphwsl.generators.lora.reference_adapters import references
from graphwsl.generators.made import population_of
from graphwsl.populations.evaluation import evaluate
from graphwsl.populations.population import Population
from graphwsl.zoo.data_set import DataSet


@dataclass(frozen=True, eq=False)
class AdapterCard:
    """Accuracies at held-out tasks.

    Attributes:
        prompts: The text of each task, a prompt a line.
        accuracies: Accuracy at each task, by name: ``made``, adapters from its prompts;
            ``wrong_prompt``, from those of another task; ``trained``, the adapter that was trained
            on it; and what :func:`~graphwsl.generators.lora.references` gives.
    """

    prompts: list[str]
    accuracies: dict[str, Float[Tensor, " tasks"]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: how many tasks, and the mean over them of every accuracy."""
        means = {name: float(values.mean()) for name, values in self.accuracies.items()}
        return {"tasks": len(self.prompts), "accuracy": means}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_dict` as JSON.

        Args:
            path: The file.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        make_folder(Path(path).parent)
        write_json(Path(path), self.to_dict())


def adapter_card(
    made: PromptToLora,
    train: Population,
    held_out: Population,
    data: DataSet,
    tasks: int | None = None,
    seed: int = 0,
) -> AdapterCard:
    """Make an adapter for every task that was held out, and judge it on the task's test samples.

    Args:
        made: The generator.
        train: Networks that it learnt from, with prompts.
        held_out: Networks of other tasks, likewise.
        data: Its signals are the tasks, of which the factor ``signal`` of each network is one.
        tasks: At most so many tasks, the first ones; None for all.
        seed: Seed of what the generator draws.

    Raises:
        GeneratorError: Networks of several bases or without prompts, or no task that is new.
        ZooError: The data have not a class of every sample for each task.
    """
    if data.signals is None or data.classes is None or data.label_shape:
        raise ZooError(
            "adapters are judged by the classes of samples, of each task its own, and these data "
            "have none; measure them beside graphwsl.generators.lora.references"
        )
    base = shared_base(Population.join([train, held_out]))
    known = [text_of(checkpoint) for checkpoint in train.checkpoints]
    # Of several networks of a task the last one.
    numbers = {text_of(one): number for number, one in enumerate(held_out.checkpoints)}
    texts = [text for text in numbers if text not in set(known)][:tasks]
    if not texts:
        raise GeneratorError(
            "all tasks of the networks that are held out were learnt from; give a zoo with more"
        )
    chosen = [numbers[text] for text in texts]
    signals = [int(held_out.checkpoints[n].configuration.get("signal") or 0) for n in chosen]
    architecture = train.architectures[0]

    def quality(pairs: Pairs, task: int) -> Float[Tensor, " networks"]:
        count = len(next(iter(pairs.values()))[0])
        rows = with_pairs(base.expand(count, -1), pairs, architecture)
        networks = population_of(rows, train.functions[0], "adapters")
        return evaluate(networks, data.test, data.test_labels[signals[task]]).accuracy

    def each(some: Population) -> Float[Tensor, " tasks"]:
        """Accuracy of one network for each task, at its own."""
        pairs = pairs_of(torch.stack(some.states), architecture)
        return torch.cat([quality(cut(pairs, task), task) for task in range(len(some))])

    def asked(prompts: list[str]) -> Float[Tensor, " tasks"]:
        generator = torch.Generator().manual_seed(seed)
        return each(made.sample(len(prompts), condition=prompts, generator=generator))

    found = {"made": asked(texts)}
    if len(texts) > 1:
        found["wrong_prompt"] = asked([*texts[1:], texts[0]])
    settings = made.settings
    free = references(
        pairs_of(torch.stack(train.states), architecture), known, texts, quality,
        settings.channels, settings.words, settings.encoder,
    )  # fmt: skip
    return AdapterCard(texts, {**found, **free, "trained": each(held_out.select(chosen))})


def cut(pairs: Pairs, number: int) -> Pairs:
    """One of stacked adapters, as a stack.

    Args:
        pairs: Stacked.
        number: Which.
    """
    some = slice(number, number + 1)
    return {name: (a[some], b[some]) for name, (a, b) in pairs.items()}
