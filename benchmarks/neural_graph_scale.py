"""From a network to its graph: seconds and memory against the number of parameters.

    python -m benchmarks.neural_graph_scale

Residual networks of 50 layers and of growing width, up to the ResNet-50 of 25.6 million parameters
on images of 224 x 224. Each is converted in a fresh process, whose memory is measured at its peak;
the round trip is checked bitwise, the symmetries are found and one of them is verified.

    python -m benchmarks.neural_graph_scale --gpt2 12

does the same, step by step, with a GPT-2 of so many layers and random weights (12 are the 124
million parameters of the published one), which needs transformers.
"""

import json as json_format
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from benchmarks.timing import timed

WIDTHS = (8, 16, 32, 48, 64)
BLOCKS = (3, 4, 6, 3)


def main(
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Small networks only, to see that it runs.")] = False,
    gpt2: Annotated[int, typer.Option(help="Layers of a GPT-2 to take instead.", min=0)] = 0,
) -> None:
    """Convert residual networks of growing width, or a GPT-2."""
    if gpt2:
        language_model(gpt2, json)
        return
    report = Report("neural_graph_scale", "From a residual network to its graph", quick=quick)
    rows: list[dict[str, Any]] = []
    with progress() as bar:
        task = bar.add_task("converting", total=len(WIDTHS))
        for width in WIDTHS[:2] if quick else WIDTHS:
            command = [sys.executable, "-m", "benchmarks.neural_graph_scale", "--one", str(width)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json_format.loads(done.stdout.splitlines()[-1]))
            bar.advance(task)
    report.table(
        "ResNet-50 of several widths, 224 x 224, processor seconds and peak memory",
        ["width", "parameters", "nodes", "graph (s)", "memory (GB)", "symmetries (s)", "error"],
        [
            [
                str(row["width"]),
                f"{row['parameters']:,}",
                f"{row['nodes']:,}",
                f"{row['seconds']:.1f}",
                f"{row['gigabytes']:.2f} (before: {row['gigabytes_before']:.2f})",
                f"{row['symmetries']:.1f}",
                f"{row['error']:.0e}",
            ]
            for row in rows
        ],
    )
    sizes = np.log([row["parameters"] for row in rows])
    slope = float(np.polyfit(sizes, np.log([row["seconds"] for row in rows]), 1)[0])
    report.say(f"Seconds grow with the parameters to the power of {slope:.2f}.")
    report.save({"widths": WIDTHS}, {"rows": rows, "exponent": slope}, json)


def one(width: int) -> dict[str, Any]:
    """Convert one network, in this process."""
    import torch

    from graphwsl import neural_graph
    from graphwsl.symmetries import symmetries, verify

    torch.manual_seed(0)
    model = resnet50(width).eval()
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        model(image)  # what any user of the network pays
    before = _peak()
    run = timed(lambda: neural_graph(model, image))
    peak = _peak()
    graph = run.result
    same = all(
        torch.equal(value, model.state_dict()[name])
        for name, value in graph.to_state_dict().items()
    )
    if not same or graph.coverage().share_mapped != 1:
        raise RuntimeError(f"the graph of width {width} is not exact: {graph.coverage()}")
    group = symmetries(graph)
    found = timed(lambda: group.orbits)
    check = verify(group.random(torch.Generator().manual_seed(0)))
    return {
        "width": width,
        "parameters": graph.num_parameters,
        "nodes": graph.num_nodes,
        "seconds": run.cpu,
        "wall": run.wall,
        "gigabytes_before": before,
        "gigabytes": peak,
        "symmetries": found.cpu,
        "error": check.error,
        "changed": check.change,
    }


def language_model(layers: int, json: Path | None) -> None:
    """Every step with a GPT-2, in this process."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from graphwsl import neural_graph
    from graphwsl.symmetries import symmetries, verify

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(n_layer=layers)).eval()
    rows: list[list[str]] = []

    def step(name: str, work: Callable[[], Any]) -> Any:
        run = timed(work)
        rows.append([name, f"{run.cpu:.1f}", f"{run.wall:.1f}", f"{_peak():.2f}"])
        return run.result

    graph = step("graph", lambda: neural_graph(model, {"input_ids": torch.arange(8)[None]}))
    coverage = step("coverage", graph.coverage)
    group = symmetries(graph)
    step("permutations", lambda: group.orbits)
    step("scalings and signs", lambda: (group.positive, group.sign))
    element = step("draw", lambda: group.random(torch.Generator().manual_seed(0)))
    step("apply", element.apply)
    check = step("verify", lambda: verify(element))
    report = Report("neural_graph_scale_gpt2", "From a GPT-2 to its graph", quick=layers < 12)
    report.table(
        f"{graph.num_parameters:,} parameters, {graph.num_nodes:,} nodes, one thread",
        ["step", "processor (s)", "wall (s)", "peak (GB)"],
        rows,
    )
    report.say(
        f"{coverage.share_mapped:.0%} mapped; error {check.error:.0e} where {check.change:.0%} of "
        "the parameters moved."
    )
    report.save({"layers": layers}, {"rows": rows, "error": check.error}, json)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def resnet50(width: int = 64) -> Any:
    """The residual network of 50 layers (He et al. 2016), 25,557,032 parameters at width 64."""
    from torch import Tensor, nn

    class Bottleneck(nn.Module):
        def __init__(self, channels: int, inner: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *conv(channels, inner, 1),
                nn.ReLU(inplace=True),
                *conv(inner, inner, 3, stride),
                nn.ReLU(inplace=True),
                *conv(inner, 4 * inner, 1),
            )
            is_same = stride == 1 and channels == 4 * inner
            self.skip = (
                nn.Identity() if is_same else nn.Sequential(*conv(channels, 4 * inner, 1, stride))
            )

        def forward(self, x: Tensor) -> Tensor:
            return (self.body(x) + self.skip(x)).relu()

    def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[Any, Any]:
        layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
        return layer, nn.BatchNorm2d(outputs)

    layers = [*conv(3, width, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = width
    for stage, count in enumerate(BLOCKS):
        for block in range(count):
            inner = width * 2**stage
            layers.append(Bottleneck(channels, inner, 2 if stage and not block else 1))
            channels = 4 * inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json_format.dumps(one(int(sys.argv[2]))))
    else:
        run_benchmark(main)
