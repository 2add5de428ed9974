"""A ResNet-50 made in one pass of recurrent diffusion with random weights: memory and seconds.

    python -m benchmarks.generation_scale

What counts is whether a network of 25 million parameters can be made at all, as all tokens get
their prototypes at once. Memory depends neither on what was learnt nor on the number of steps, so
one step is timed. The denoiser is the published one; how wide prototypes are, ``--channels`` says.
"""

import resource
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.neural_graph_scale import resnet50
from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import timed
from gnncore.training import seeded
from graphwsl import neural_graph
from graphwsl.generators.recurrent_diffusion.method import RecurrentDiffusion
from graphwsl.generators.recurrent_diffusion.network import RecurrentDiffusionModule
from graphwsl.generators.recurrent_diffusion.states import NumberStates
from graphwsl.generators.tensor_scales import TensorScales
from graphwsl.populations import Architecture

NETWORKS = 50
"""Training networks, whose states are random here."""


def main(
    channels: Annotated[int, typer.Option(help="Channels of a prototype.", min=1)] = 1024,
    recurrence: Annotated[str, typer.Option(help="lstm or transformer.")] = "lstm",
    width: Annotated[
        int, typer.Option(help="Channels of the first block of the network.", min=1)
    ] = 64,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A narrow network, to see that it runs.")] = False,
) -> None:
    """Make one network."""
    width, channels = (8, 64) if quick else (width, channels)
    settings = RecurrentDiffusion.published.replaced(
        channels=channels, recurrence=recurrence, sampling_steps=1, eta=1.0
    )
    report = Report("generation_scale", "A large network from one pass", quick=quick)
    architecture = Architecture(
        neural_graph(resnet50(width).eval(), torch.zeros(1, 3, 64, 64)), "resnet50"
    )
    with seeded(0):
        states = NumberStates(NETWORKS, channels, 0.5)
        module = RecurrentDiffusionModule(settings, 8192, scales(architecture), states, 0).eval()
    before = peak()
    codes, generator = torch.zeros(1, 0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        tokenizer = module.tokenizer(architecture)
        state = states.draw(1, generator)
        prototypes = timed(lambda: module.prototypes(tokenizer, state, codes))
        drawn = timed(lambda: module.draw(1, architecture, codes, generator))
    row = {
        "numbers": drawn.result.shape[1],
        "tokens": len(tokenizer.layout.mask),
        "parameters_of_generator": sum(p.numel() for p in module.parameters()),
        "channels": channels,
        "recurrence": recurrence,
        "seconds_of_prototypes": prototypes.cpu,
        "seconds": drawn.cpu,
        "gigabytes_before": before,
        "gigabytes": peak(),
    }
    report.table(
        "ResNet-50 by recurrent diffusion with random weights, one step, one thread",
        ["numbers", "tokens", "generator", "prototypes (s)", "with a step (s)", "peak (GB)"],
        [
            [
                f"{row['numbers']:,}",
                f"{row['tokens']:,} of 8192",
                f"{row['parameters_of_generator']:,} parameters",
                f"{prototypes.cpu:.0f}",
                f"{drawn.cpu:.0f}",
                f"{row['gigabytes']:.2f} (before: {before:.2f})",
            ]
        ],
    )
    report.say(
        f"Prototypes of {channels:,} channels by {recurrence}, the published denoiser; further "
        "steps take as long each and no more memory. What comes out is noise: nothing was learnt."
    )
    report.save({"channels": channels, "width": width}, {"rows": [row]}, json)


def scales(architecture: Architecture) -> TensorScales:
    """Means and deviations of the tensors of one network."""
    rows = torch.stack([architecture.graph.flat(dtype=torch.float32)] * 2)
    return TensorScales.fit(rows, architecture)


def peak() -> float:
    """Most memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    run_benchmark(main)
