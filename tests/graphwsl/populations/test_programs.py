"""Networks have one program if they have one function, whatever they keep beside weights."""

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from graphwsl.populations import Population, evaluate
from graphwsl.populations.programs import program_of
from graphwsl.zoo.checkpoint import Checkpoint
from tests import ROOT


class Bent(nn.Module):
    """A network that keeps what it does with its activations as an attribute."""

    def __init__(self, act: Any, shift: Any = (0.0,), **kept: Any) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 2)
        self.act, self._shift = act, shift
        vars(self).update(kept)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.first(x)) + self._shift[0])


def times(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda x: (factor * x).tanh()


def nested(depth: int) -> Callable[[Tensor], Tensor]:
    """Functions that define a function that defines one."""
    if depth == 1:
        return lambda x: (lambda: (lambda: x + 1)())()
    return lambda x: (lambda: (lambda: x + 2)())()


def forgotten() -> Callable[[Tensor], Tensor]:
    """A function that encloses a variable without a value."""

    def inner(x: Tensor) -> Tensor:
        return x if x is None else later

    if inner is None:
        later = torch.zeros(1)
    return inner


def hidden(act: Any, seed: int) -> nn.Module:
    """A network in a list, of whose weights no state knows."""
    torch.manual_seed(seed)
    return Bent(act)


X = torch.zeros(1, 3)
OTHERS: list[Callable[[], nn.Module]] = [
    lambda: Bent(torch.tanh),
    lambda: Bent(torch.cos),
    lambda: Bent(nn.functional.gelu),
    lambda: Bent(torch.tanh, [1.0]),
    lambda: Bent(torch.tanh, torch.tensor([1.0])),
    lambda: Bent(torch.tanh, torch.tensor([2.0])),
    lambda: Bent(times(1.0)),
    lambda: Bent(times(2.0)),
    lambda: Bent(lambda x: x + 1),
    lambda: Bent(lambda x: x + 2),
    lambda: Bent(functools.partial(torch.add, other=1)),
    lambda: Bent(functools.partial(torch.add, other=2)),
    lambda: Bent(nn.functional.gelu, options={"approximate": "tanh"}),
    lambda: Bent(torch.tanh, (torch.arange(5000.0),)),
    lambda: Bent(torch.tanh, (torch.arange(5000.0).index_fill(0, torch.tensor(2500), 0.0),)),
    lambda: Bent(torch.tanh, kept=[hidden(torch.sin, 0)]),
    lambda: Bent(torch.tanh, kept=[hidden(torch.cos, 0)]),
    lambda: Bent(torch.tanh, kept=[hidden(torch.cos, 1)]),
    lambda: Bent(nested(1)),
    lambda: Bent(nested(2)),
    lambda: Bent(forgotten()),
]


def test_what_differs_has_another_program_and_what_does_not_the_same() -> None:
    programs = [program_of(make(), X) for make in OTHERS]
    assert len(set(programs)) == len(OTHERS)
    assert programs == [program_of(make(), X) for make in OTHERS]


def test_programs_are_the_same_in_another_process() -> None:
    code = (
        "from tests.graphwsl.populations.test_programs import OTHERS, X, program_of\n"
        "for make in OTHERS: print(repr(program_of(make(), X)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [repr(program_of(make(), X)) for make in OTHERS]


def test_weights_do_not_matter_nor_what_is_made_of_them() -> None:
    def pruned() -> nn.Module:
        return prune.random_unstructured(nn.Linear(4, 3), "weight", 0.5)

    assert program_of(pruned(), X) == program_of(pruned(), X)
    assert program_of(nn.LSTM(3, 4), X) == program_of(nn.LSTM(3, 4), X)


def test_a_network_that_knows_itself_is_described_once() -> None:
    def knowing(act: Any) -> nn.Module:
        made = Bent(act)
        vars(made).update(parents=[made], hidden=[Bent(torch.sin, parents=[made])])
        return made

    def program(act: Any, seed: int) -> str:
        made = knowing(act)
        for part in made.hidden[0].parameters():
            nn.init.zeros_(part)
        torch.manual_seed(seed)
        nn.init.normal_(made.first.weight)
        return program_of(made, X)

    assert program(torch.tanh, 0) == program(torch.tanh, 1)
    assert program(torch.tanh, 0) != program(torch.cos, 0)


class OfFunctions:
    """A zoo whose networks differ in what no configuration of a layer says."""

    problems: tuple[()] = ()

    def __init__(self) -> None:
        kinds = [(torch.tanh, 0.0), (torch.cos, 0.0), (torch.tanh, 3.0)]
        self.networks = [Bent(act, [shift]).eval() for act, shift in kinds]
        self.checkpoints = [
            Checkpoint(str(number), 0, {"architecture": "bent", "number": number}, {})
            for number in range(3)
        ]

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        return self.networks[int(checkpoint.model)]

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        return self.module(checkpoint).state_dict()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        del checkpoint
        return X

    def images(self) -> Any:
        raise NotImplementedError

    def verify(self) -> list[Any]:
        return []


@pytest.mark.parametrize("joined", [False, True])
def test_every_network_of_a_population_does_what_it_does_alone(joined: bool) -> None:
    zoo = OfFunctions()
    population = Population.load(zoo)
    if joined:
        population = Population.join([population.select([2]), population.select([0, 1])])
    assert len(population.architectures) == 1
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    found = evaluate(population, inputs, torch.zeros(50, dtype=torch.int64), outputs=True)
    assert found.outputs is not None
    for checkpoint, outputs in zip(population.checkpoints, found.outputs, strict=True):
        torch.testing.assert_close(outputs, zoo.module(checkpoint)(inputs).detach())
