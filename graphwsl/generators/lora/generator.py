"""Prompts to adapters: Drag-and-Drop (Liang et al., 2025) for networks of any base.

What is learnt from are adapters of one base, each with prompts that describe its task; for prompts
of a task that was never trained, adapters are made in one pass. The published way compares tokens
of A and B alone. Pairs of one product are many, and trainings end in different ones, so here the
products count as well, and (given unlabelled inputs) what the adapted networks answer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError, ZooError
from graphwsl.generators.conditions import Codes, Names
from graphwsl.generators.fit_arguments import with_arguments_of_its_own
from graphwsl.generators.functions import Functions
from graphwsl.generators.generator import Generator
from graphwsl.generators.lora.base_layers import described, function_of
from graphwsl.generators.lora.conditions import PromptConditions, text_of
from graphwsl.generators.lora.module import PromptDecoder
from graphwsl.generators.lora.networks import (
    PROMPTS,
    canonical_networks,
    has_pairs,
    pairs_of,
    shared_base,
    with_pairs,
    with_prompts,
)
from graphwsl.generators.lora.samples import (
    Samples,
    digest,
    require_samples,
    require_samples_of,
    require_taken,
    without_gradients,
)
from graphwsl.generators.lora.settings import PromptSettings
from graphwsl.generators.lora.tokens import TokenShapes, detokenize
from graphwsl.generators.module import Rows
from graphwsl.populations.population import Architecture, Population
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.zoo import Zoo

ADVICE = "train one whose networks have both by graphwsl zoo train digits_adapters"


class PromptToLora(Generator):
    """A decoder from prompts to the low-rank adapters of one base network.

    Networks are of :func:`~graphwsl.generators.lora.adapted_networks`. The base is kept in the
    saved folder: its weights, and which layers it has where all are known to
    :mod:`graphwsl.generators.lora.base_layers`. Else ``sample`` is told the function of the
    networks after loading (``architecture=population.functions[0]``).
    """

    name: ClassVar[str] = "prompt_to_lora"
    conditions_of: ClassVar[type[PromptConditions]] = PromptConditions
    together: ClassVar[tuple[str, ...] | None] = (PROMPTS,)
    settings: PromptSettings
    conditions: PromptConditions
    module: PromptDecoder | None
    published = PromptSettings(
        hidden=(
            (128, 200, 300), (128, 100, 256), (256, 50, 200), (512, 50, 200),
            (1024, 25, 200), (1024, 10, 200), (2048, 10, 200),
        ),
        epochs=1000, batch_size=64, learning_rate=3e-5, weight_decay=0.1, warm_up=0.0,
    )  # fmt: skip
    small = PromptSettings(
        prompts=4, words=16, channels=128, decoder="mean", width=256, token_width=64,
        standardise=True, pairs=1e-3, product=1e-3, behaviour=1.0, epochs=100, batch_size=64,
        learning_rate=2e-3, weight_decay=0.01, noise=1e-2, neighbours=5,
    )  # fmt: skip

    @with_arguments_of_its_own
    def fit(
        self,
        population: Population,
        condition: Names | None = None,
        epochs: int | None = None,
        *,
        valid: Population | None = None,
        inputs: Samples | None = None,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> "PromptToLora":
        """Learn from adapters and the prompts of their tasks.

        Args:
            population: Networks to learn from.
            condition: ``prompts``, which is also what None means.
            epochs: Passes over the networks; those of the settings by default.
            valid: Networks that choose the epoch; by default whole tasks of the population.
            inputs: Samples without labels on which answers of networks are compared: one tensor for
                all tasks, or of each task by its text (``checkpoint["prompts"]``), as where a model
                reads on what it has written. Those of the zoo that was read by default; without any
                only weights are compared.
            work: Folder for the state between two epochs, from which the same fit goes on.
            progress: Show the progress on stderr.

        Raises:
            GeneratorError: Networks without adapters or prompts, of different bases, or inputs that
                they do not take.
            TrainingError: The training diverged.
            CheckpointError: ``work`` holds the state of another fit.
        """
        inputs = self._samples if inputs is None else inputs
        if inputs is not None:
            require_samples(inputs)
            inputs = without_gradients(inputs)
        weighs = self.settings.pairs or self.settings.product
        if not weighs and (inputs is None or not self.settings.behaviour):
            raise GeneratorError(
                "only answers count (pairs=0, product=0), and there are no inputs; give inputs="
            )
        self._inputs = inputs
        try:
            return super().fit(
                population, condition, epochs, valid=valid, work=work, progress=progress
            )
        finally:
            self._inputs = None
            if self.module is not None:
                self.module.inputs = None

    _inputs: Samples | None = None
    _samples: Tensor | None = None

    def read(self, population: Population, zoo: Zoo) -> Population:
        """Networks with the prompts of their tasks, as the data of a zoo describe its signals.

        Answers are then compared on the samples that these networks learnt from.

        Args:
            population: Networks of the zoo.
            zoo: The zoo.

        Raises:
            GeneratorError: Networks without adapters or prompts, or one that learnt a signal that
                the data do not have.
        """
        self._samples = None  # those of another zoo are not its own
        if not any(map(has_pairs, population.present)):
            raise GeneratorError(f"no network of the zoo has low-rank adapters; {ADVICE}")
        try:
            data = zoo.images()
            texts, self._samples = data.descriptions, data.train
        except ZooError:  # its networks may have prompts all the same
            texts = None
        if texts is not None:
            return with_prompts(population, [_of_signal(texts, c) for c in population.checkpoints])
        if not any(one.configuration.get(PROMPTS) for one in population.checkpoints):
            raise GeneratorError(f"no network of the zoo has prompts; {ADVICE}")
        return population

    def _check(self, population: Population) -> None:
        super()._check(population)
        shared_base(population)
        if self._inputs is not None:
            require_samples_of(self._inputs, map(text_of, population.checkpoints))
            if self.settings.behaviour:
                require_taken(self._inputs, population)

    def _prepared(self, population: Population, *, learnt: bool) -> Population:
        del learnt
        return canonical_networks(population) if self.settings.canonical else population

    def _build(self, train: Population | None, built: dict[str, Any]) -> PromptDecoder:
        if train is not None:
            architecture = train.architectures[0]
            pairs = pairs_of(train.states[0][None], architecture)
            shapes = TokenShapes.of(pairs, self.settings.token_width)
            built["shapes"] = {name: list(one) for name, one in shapes.shapes.items()}
            built["entries"] = architecture.num_entries
            built["name"] = architecture.name
            built["network"] = described(train.functions[0])
            if self.settings.neighbours:
                built["adapters"] = len(self.conditions.known_texts.texts)
        kept, texts = int(built.get("adapters", 0)), self.conditions.known_texts.texts
        if kept not in (0, len(texts)):
            raise ValueError(f"{kept} adapters are kept of {len(texts)} texts")
        if not isinstance(built.get("network"), dict | None):
            raise TypeError("the network is described by no table")
        known = {name: (int(r), int(i), int(o)) for name, (r, i, o) in built["shapes"].items()}
        module = PromptDecoder(
            self.settings,
            TokenShapes(known, self.settings.token_width),
            int(built["entries"]),
            kept,
        )
        module.conditions = self.conditions
        if train is not None:
            module.look_at(train, shared_base(train))
            module.teacher, module.inputs = train.functions[0], self._inputs
        return module

    def restore(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become the generator that was saved.

        Args:
            config: Its configuration.
            arrays: Its tensors.

        Raises:
            GeneratorError: The file is not one of this method.
        """
        super().restore(config, arrays)
        if (known := self._built.get("network")) is not None:
            entries, name = int(self._built["entries"]), str(self._built.get("name"))
            self._functions = Functions([function_of(known, entries, name)], [])

    def _draw(
        self,
        count: int,
        architecture: Architecture,
        codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:
        module = self.module
        assert module is not None
        tokens = module.tokens(module.condition(codes, generator, drawn=generator is not None))
        pairs = detokenize(tokens, module.shapes)
        known = self.conditions.known_texts
        for number, code in enumerate(codes[:, 0].long().tolist()):
            text = self.conditions.text(code)
            if module.keeps_adapters and not known.knows(text):
                near = module.mean_adapter(known.nearest(text, self.settings.neighbours))
                for name, (a, b) in pairs.items():
                    a[number], b[number] = near[name]
        return with_pairs(module.base.expand(count, -1), pairs, architecture)

    def _check_makes(self, architecture: Architecture) -> None:
        module = self._fitted()
        assert isinstance(module, PromptDecoder)
        shapes = {
            name: (a.shape[1], a.shape[2], b.shape[1])
            for name, (a, b) in pairs_of(
                torch.zeros(1, architecture.num_entries), architecture
            ).items()
        }
        if shapes != module.shapes.shapes or architecture.num_entries != len(module.base):
            raise GeneratorError(
                f"{self.name!r} makes adapters of the network that it learnt from, and "
                f"{architecture.name!r} is another one; give architecture=population.functions[0]"
            )

    def _identity(self) -> str:
        return f"{super()._identity()} {digest(self._inputs)}"


def _of_signal(texts: Sequence[str], checkpoint: Checkpoint) -> str:
    """The text of the signal that a network learnt."""
    signal = checkpoint.configuration.get("signal") or 0
    if signal not in range(len(texts)):
        raise GeneratorError(
            f"{checkpoint.model!r} learnt signal {arguments.described(signal)}, and the data "
            f"describe signals 0 to {len(texts) - 1}; give the data of this zoo"
        )
    return texts[int(signal)]
