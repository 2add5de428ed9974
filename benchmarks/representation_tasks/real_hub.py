"""The representation of a hub, learnt from real networks of others and tested on further ones.

The networks are those of :mod:`benchmarks.coverage_corpus`: each has an architecture and a task of
its own, and none of those that are tested was learnt from. Variants of a network are on one side,
since they are known from one another.
"""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.coverage_corpus.wheels import REAL_NETWORKS
from benchmarks.hardware import hardware
from benchmarks.results import Report, spread
from benchmarks.timing import timed
from gnncore.storage import CorruptFileError
from graphwsl.errors import GraphwslError
from graphwsl.populations import Function, Population, states_of
from graphwsl.representations import Representation, make
from graphwsl.zoo.checkpoint import Checkpoint

LARGEST = 3_000_000
"""Numbers of a network at most, unless the caller says else."""


@dataclass(frozen=True)
class HubCell:
    """The representation of a hub, learnt from one seed.

    Attributes:
        seed: Seed of initial weights, windows and of the split of the networks.
        largest: Networks of more numbers are left out.
        size: ``small`` or ``published``.
        options: In place of settings, such as ``epochs``.
        only: Some of the networks, by name; None for all.
    """

    seed: int
    largest: int = LARGEST
    size: str = "small"
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] | None = None

    def folder(self, out: Path) -> Path:
        """Where the result is kept."""
        settings = make("hub", self.size, **self.options).settings.model_dump(exclude={"device"})
        text = f"{sorted(settings.items())} {self.only}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return out / f"hub-{digest}" / f"real-networks-{self.largest}-seed-{self.seed}"

    def is_done(self, out: Path) -> bool:
        """Whether its result is there."""
        return (self.folder(out) / RESULT).is_file()

    def run(self, out: Path) -> Result | None:
        """The result, worked out unless it is there; None if another process is at work on it."""
        return run_cell(self.folder(out), self._work)

    def _work(self, folder: Path) -> Result:
        population, left_out = real_networks(self.only or tuple(REAL_NETWORKS), self.largest)
        parts = split_families([c.model for c in population.checkpoints], self.seed)
        train, valid, test = (population.select(numbers) for numbers in parts)
        made = make("hub", self.size, self.seed, **self.options)
        fitted = timed(lambda: made.fit(train, valid, work=folder / "training"))
        made.save(folder / "representation")
        return {
            "row": "hub",
            "study": "real networks",
            "seed": self.seed,
            "networks": {
                "train": len(train), "valid": len(valid), "test": len(test),
            },
            "left_out": left_out,
            "epochs": made.report["epochs"],
            "processor_seconds": fitted.cpu,
            "hardware": hardware(),
            "tested": [tested(made, test.select([n])) for n in range(len(test))],
        }  # fmt: skip


@cache
def real_networks(names: tuple[str, ...], largest: int) -> tuple[Population, dict[str, str]]:
    """Real networks, traced, and why others are left out."""
    parts: list[Population] = []
    left_out: dict[str, str] = {}
    for name in names:
        try:
            module, inputs = REAL_NETWORKS[name]()
            size = sum(one.numel() for one in module.state_dict().values())
            if size > largest:
                left_out[name] = f"{size:,} numbers"
                continue
            function = Function.of(module.eval(), inputs, name)
            row = function.architecture.graph.flat(dtype=torch.float32)
        except (GraphwslError, CorruptFileError) as error:
            left_out[name] = str(error)
            continue
        parts.append(Population.alike([Checkpoint(name, None, {}, {})], [row], function))
    return Population.join(parts), left_out


def family(name: str) -> str:
    """The first word of a network's name, which its variants share."""
    return re.split(r"[ -]", name)[0]


def split_families(names: list[str], seed: int) -> tuple[list[int], list[int], list[int]]:
    """Indices of the networks to learn from, to validate and to test: families stay together.

    Args:
        names: Names of all networks.
        seed: Seed of the draw.
    """
    families = sorted({family(name) for name in names})
    order = torch.randperm(len(families), generator=torch.Generator().manual_seed(seed)).tolist()
    count = max(1, round(0.2 * len(families)))
    part = {
        families[index]: 2 if number < count else 1 if number < 2 * count else 0
        for number, index in enumerate(order)
    }
    numbers: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, name in enumerate(names):
        numbers[part[family(name)]].append(number)
    return numbers


@torch.no_grad()
def tested(made: Representation, network: Population) -> dict[str, Any]:
    """How a network that was not learnt from comes back: in its weights, and in what it does."""
    (original,) = network.states
    (rebuilt,) = made.reconstruct(network).states
    function = network.functions[int(network.function[0])]
    outputs = []
    inputs, graph = function.inputs, function.architecture.graph
    for row in (original, rebuilt):
        (state,) = states_of(row[None], function.architecture)
        function.module.load_state_dict(graph.completed(state))
        found = function.module(**inputs) if isinstance(inputs, dict) else function.module(*inputs)
        first = found if isinstance(found, torch.Tensor) else next(iter(found))
        outputs.append(first.double())
    return {
        "network": network.checkpoints[0].model,
        "numbers": len(original),
        "unexplained": float((rebuilt - original).square().mean() / original.var(correction=0)),
        "output_error": float((outputs[1] - outputs[0]).norm() / outputs[0].norm()),
    }


def report_hub(report: Report, results: list[Result]) -> None:
    """A line a tested network; several seeds test several ones."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        for one in result["tested"]:
            lines.setdefault(one["network"], []).append(one)
    if not lines:
        return
    some = results[0]
    report.table(
        f"Hub of real networks: {some['networks']['train']} to learn from, none of the family of "
        f"those that are tested; {some['epochs']} epochs, {some['processor_seconds']:.0f} s",
        ["network", "numbers", "error of weights", "error of outputs", "seeds"],
        [
            [
                name,
                f"{found[0]['numbers']:,}",
                spread([one["unexplained"] for one in found]),
                spread([one["output_error"] for one in found]),
                str(len(found)),
            ]
            for name, found in sorted(lines.items())
        ],
    )
    report.say(
        "Errors of weights are mean squares over the variance, 1 is what the mean gives; those of "
        "outputs for one input are norms of differences over norms of outputs. Left out: "
        + ("; ".join(f"{name} ({why})" for name, why in some["left_out"].items()) or "none")
        + "."
    )
