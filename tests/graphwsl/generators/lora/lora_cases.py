"""A small base, adapters of it and prompts, for the tests of prompts to adapters."""

from functools import cache

import torch
from torch import nn

from graphwsl.generators.lora import adapted, adapted_networks
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.populations.population import Population

NUMBERS = ("one", "two", "three", "four", "five", "six")


def base(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))


def random_pairs(networks: int | None = 8, rank: int = 2, seed: int = 0) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    stacked = () if networks is None else (networks,)
    return {
        layer: (
            torch.randn(*stacked, rank, inputs, generator=generator),
            torch.randn(*stacked, outputs, rank, generator=generator),
        )
        for layer, inputs, outputs in (("0", 5, 6), ("2", 6, 3))
    }


def uneven() -> Pairs:
    pairs = random_pairs(None)
    return {**pairs, "block.10": (torch.randn(3, 4), torch.randn(7, 3))}


def prompts(tasks: int) -> list[list[str]]:
    return [
        [f"add {NUMBERS[n % 6]} to it", f"{NUMBERS[n % 6]} more, {NUMBERS[n // 6]} times"]
        for n in range(tasks)
    ]


@cache
def population(networks: int = 8, seed: int = 0) -> Population:
    network = adapted(base(), rank=2, alpha=4)
    return adapted_networks(
        network, torch.zeros(2, 5), random_pairs(networks, seed=seed), prompts(networks)
    )
