"""The cells of :mod:`benchmarks.prompt_to_lora`: what costs nothing, and one generator each."""

import random
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import Result
from benchmarks.lora_worlds.digit_subsets import digit_subsets
from benchmarks.lora_worlds.language_tasks import language_tasks
from benchmarks.lora_worlds.world import World
from benchmarks.results import SCRATCH
from graphwsl.generators.lora import PromptToLora, adapted_networks, pairs_of, references
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.populations.population import Population

NAME = "prompt_to_lora"

WORLDS: dict[str, Callable[[int, Path], World]] = {
    "digits": digit_subsets,
    "language": language_tasks,
    "families": partial(language_tasks, families=True),
}
QUICK: dict[str, Callable[[int, Path], World]] = {
    "digits": partial(digit_subsets, tasks=12, steps=3),
    "language": partial(language_tasks, steps=3, base_steps=3, few=True),
    "families": partial(language_tasks, steps=3, base_steps=3, few=True, families=True),
}
EPOCHS = {"digits": 80, "language": 150, "families": 150}
OPTIONS: dict[str, dict[str, Any]] = {
    "digits": {},
    "language": {"behaviour_inputs": 16, "batch_size": 33},
    "families": {"behaviour_inputs": 16, "batch_size": 33},
}

HYPER = {"decoder": "hyper_convolutional", "kernel": 3, "hidden": ((4, 12, 64), (6, 8, 64))}
METHODS: dict[str, dict[str, Any]] = {
    "mean pooling": {},
    "mean pooling, unknown words looked up": {"neighbours": 5},
    "mean pooling, weights alone": {"behaviour": 0.0},
    "mean pooling, A and B alone": {"behaviour": 0.0, "product": 0.0},
    "hyper-convolution, A and B alone": {**HYPER, "behaviour": 0.0, "product": 0.0},
    "attention": {"decoder": "attention", "width": 128},
    "hyper-convolution": HYPER,
}
"""Settings in place of the small ones, without neighbours."""


@lru_cache(maxsize=1)
def world(name: str, seed: int, quick: bool) -> World:
    """A world, made once."""
    return (QUICK if quick else WORLDS)[name](seed, SCRATCH / f"{NAME}_adapters")


def free(name: str, seed: int, quick: bool) -> Result:
    """Accuracy at held-out tasks of what costs nothing, and of adapters trained on them."""
    found = world(name, seed, quick)
    rows = references(found.train, found.prompts, found.held_out, found.quality)
    nothing = {n: (torch.zeros_like(a), torch.zeros_like(b)) for n, (a, b) in found.trained.items()}
    rows |= {"base": found.quality(nothing, None), "trained": found.quality(found.trained, None)}
    return {name: float(values.mean()) for name, values in rows.items()}


def generated(name: str, method: str, seed: int, quick: bool, folder: Path) -> Result:
    """Accuracy at held-out tasks of adapters that a generator makes: of their prompts, of those of
    another task, and of random words."""
    found = world(name, seed, quick)
    generator = PromptToLora(seed=seed, **{"neighbours": 0} | METHODS[method] | OPTIONS[name])
    start = time.process_time()
    generator.fit(
        population(found),
        epochs=1 if quick else EPOCHS[name],
        inputs=found.inputs,
        work=folder / "training",
    )
    fitted = time.process_time() - start
    count, random_words = len(found.held_out), [_random(text, seed) for text in found.held_out]
    asked = {
        "generated": found.held_out,
        "wrong prompt": found.held_out[1:] + found.held_out[:1],
        "random strings": random_words,
    }
    result: Result = {}
    for name_of, texts in asked.items():
        start = time.process_time()
        made = generator.sample(count, condition=texts)
        taken = time.process_time() - start
        result[name_of] = float(found.quality(_pairs(made), None).mean())
        result["milliseconds"] = 1000 * taken / count
    return {
        **result,
        "seconds": fitted,
        "parameters": generator.report["parameters"],
        "best_epoch": generator.report["best_epoch"],
    }


def population(found: World) -> Population:
    """The training adapters of a world."""
    texts = [text.splitlines() for text in found.prompts]
    return adapted_networks(found.network, found.inputs[:2], found.train, texts)


def _pairs(made: Population) -> Pairs:
    return pairs_of(torch.stack(made.states), made.architectures[0])


def _random(text: str, seed: int) -> str:
    """As many words of as many letters, drawn anew."""
    drawn = random.Random(f"{seed} {text}")
    return "\n".join(
        " ".join(
            "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=len(word)))
            for word in line.split()
        )
        for line in text.splitlines()
    )
