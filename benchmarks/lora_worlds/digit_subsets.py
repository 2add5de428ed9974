"""Is the digit one of these? A small perceptron that knows parity, adapted to subsets of digits."""

import random
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.lora_worlds.world import World, cut, kept
from graphwsl.generators.lora import adapted, train_adapters
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.generators.lora.module import run_adapted
from graphwsl.zoo.data import load_images
from graphwsl.zoo.digit_subsets import DIGITS, TEMPLATES

HELD_OUT = 20


def digit_subsets(seed: int, folder: Path, tasks: int = 300, steps: int = 600) -> World:
    """Subsets of three to seven digits; of held-out ones the complement was not trained either."""
    data = load_images("digits")
    train, test = data.train.flatten(1), data.test.flatten(1)
    base = _parity(train, data.train_labels, seed)
    known, held_out = _subsets(seed, tasks)
    is_in = torch.zeros(len(known + held_out), 10, dtype=torch.int64)
    for number, subset in enumerate(known + held_out):
        is_in[number, list(subset)] = 1
    network = adapted(base, rank=4, seed=seed)
    labels = is_in[:, data.train_labels]

    def trained() -> Pairs:
        made = train_adapters(network, train, labels, steps=steps, learning_rate=0.02, seed=seed)
        return {name: (a[:, -1], b[:, -1]) for name, (a, b) in made.pairs.items()}

    pairs = kept(folder / f"digits-{seed}-{tasks}-{steps}.safetensors", trained)
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    right = is_in[len(known) :, data.test_labels]

    def quality(pairs: Pairs, task: int | None) -> Tensor:
        answers = run_adapted(network, state, pairs, test).argmax(-1)
        return (answers == (right if task is None else right[task])).float().mean(-1)

    return World(
        network,
        train,
        cut(pairs, 0, len(known)),
        ["\n".join(_prompts(subset, seed)) for subset in known],
        cut(pairs, len(known)),
        ["\n".join(_prompts(subset, seed)) for subset in held_out],
        quality,
    )


def _parity(inputs: Tensor, labels: Tensor, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    base = nn.Sequential(
        nn.Linear(inputs.shape[1], 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)
    )
    optimiser = torch.optim.Adam(base.parameters(), lr=1e-2)
    for _ in range(400):
        batch = torch.randint(len(inputs), (64,))
        optimiser.zero_grad()
        nn.functional.cross_entropy(base(inputs[batch]), labels[batch] % 2).backward()
        optimiser.step()
    return base


def _subsets(seed: int, tasks: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    drawn = [subset for size in range(3, 8) for subset in combinations(range(10), size)]
    random.Random(seed).shuffle(drawn)
    held_out: list[tuple[int, ...]] = []
    excluded: set[tuple[int, ...]] = set()
    for subset in drawn:
        if len(held_out) < HELD_OUT and subset not in excluded:
            held_out.append(subset)
            excluded |= {subset, tuple(sorted({*range(10)} - {*subset}))}
    return [one for one in drawn if one not in excluded][:tasks], held_out


def _prompts(subset: tuple[int, ...], seed: int) -> list[str]:
    """A prompt a template, each with the digits in an order of its own."""
    drawn, found = random.Random(f"{seed} {subset}"), []
    for template in TEMPLATES:
        names = drawn.sample([DIGITS[digit] for digit in subset], len(subset))
        found.append(template.format(f"{', '.join(names[:-1])} or {names[-1]}"))
    return found
