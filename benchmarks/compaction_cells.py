"""What is gained by taking out of networks what is dead: cells of :mod:`benchmarks.sparse_twins`.

Two larger networks, the small architectures of the coverage corpus and its real networks, each with
most of its channels, units and heads set to zero.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cells import Result
from benchmarks.coverage_corpus.checks import small
from benchmarks.coverage_corpus.pruning import (
    LARGEST_ERROR,
    compacted,
    compacted_by_orbits,
    failure_of,
)
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS
from benchmarks.coverage_corpus.wheels import REAL_NETWORKS
from benchmarks.results import Report
from gnncore.storage import CorruptFileError
from graphwsl.errors import GraphwslError
from graphwsl.sparsification import compact, compared
from graphwsl.zoo.architectures.registry import build

STRUCTURED = 0.8
"""Share of the channels that are set to zero in the networks that are compacted."""


QUICK = ("silero-vad 16k (torch)", "MTCNN P-Net")
"""Real networks that take seconds."""


def compaction_cells(quick: bool, real: bool) -> dict[str, Callable[[], Result]]:
    """All cells by name: of two networks, small architectures, and real networks if wanted."""
    found: dict[str, Callable[[], Result]] = {
        f"compact_{name}": partial(_compacted, name, quick) for name in ("vgg", "resnet")
    }
    corpus = ["BERT", "Llama"] if quick else list(SMALL_CONFIGS)
    found |= {f"corpus_{name}": partial(_of_corpus, name) for name in corpus}
    if real:
        found |= {
            f"real_{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}": partial(_real, name)
            for name in (QUICK if quick else REAL_NETWORKS)
        }
    return found


def _dead(name: str, width: int, share: float) -> tuple[nn.Module, Tensor]:
    """A network of which a share of the channels of every convolution are zero, and inputs."""
    torch.manual_seed(0)
    model, inputs = _network(name, width)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                dead = torch.randperm(part.out_channels, generator=generator)
                part.weight[dead[: round(share * part.out_channels)]] = 0
            elif isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(generator=generator)
    return model.eval(), inputs


def draw_compaction(path: Path) -> None:
    """How time and parameters fall with the share of dead channels."""
    from matplotlib import pyplot

    shares = (0.0, 0.3, 0.6, 0.9)
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
    for name, colour in (("vgg", "tab:blue"), ("resnet", "tab:orange")):
        tables = []
        for share in shares:
            model, inputs = _dead(name, 16, share)
            tables.append(compared(model, compact(model, inputs[:1]), inputs, repetitions=3))
        for axis, what in zip(axes, ("parameters", "milliseconds"), strict=True):
            left = [getattr(t.after, what) / getattr(t.before, what) for t in tables]
            axis.plot(shares, left, "o-", color=colour, label=name)
            axis.set(xlabel="share of channels that are zero", title=f"{what} that are left")
            axis.grid(alpha=0.3)
    axes[0].legend()
    axes[0].set_ylim(0)
    figure.savefig(path, dpi=110)


def _compacted(name: str, quick: bool) -> dict[str, Any]:
    model, inputs = _dead(name, 8 if quick else 64, STRUCTURED)
    small = compact(model, inputs[:1])
    table = compared(model, small, inputs, repetitions=2 if quick else 10)
    double = model.double()
    precise = compact(double, inputs[:1].double())
    with torch.no_grad():
        expected = double(inputs.double())
        error = float((precise(inputs.double()) - expected).abs().max() / expected.abs().max())
    return {
        "before": vars(table.before),
        "after": vars(table.after),
        "speed_up": table.speed_up,
        "error": error,
    }


def _of_corpus(name: str) -> dict[str, Any]:
    try:
        return compacted(partial(small, *SMALL_CONFIGS[name]), STRUCTURED)
    except GraphwslError as error:
        return {"refused": str(error)}


def _real(name: str) -> Result:
    try:
        return {"network": name, **compacted_by_orbits(REAL_NETWORKS[name], STRUCTURED)}
    except (GraphwslError, CorruptFileError) as error:
        return {"network": name, "refused": str(error)}


def _network(name: str, width: int) -> tuple[nn.Module, Tensor]:
    inputs = torch.randn(8, 3, 32, 32)
    if name == "resnet":
        factors = {"in_channels": 3, "image_size": 32, "out_channels": 10, "width": width}
        return build("resnet18", factors), inputs
    layers: list[nn.Module] = []
    before = 3
    for channels in (width, 2 * width, 4 * width):
        for _ in range(2):
            layers += [
                nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()
            ]  # fmt: skip
            before = channels
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(16 * before, 4 * width), nn.ReLU(), nn.Linear(4 * width, 10)]
    return nn.Sequential(*layers, *head), inputs


def show_compaction(report: Report, cells: dict[str, Any]) -> None:
    """Print all tables of what was compacted."""
    rows = []
    for name, cell in cells.items():
        if name.startswith("compact_"):
            before, after = cell["before"], cell["after"]
            rows.append(
                [
                    name.removeprefix("compact_"),
                    f"{before['parameters']:,}",
                    f"{after['parameters']:,}",
                    f"{before['milliseconds']:.1f}",
                    f"{after['milliseconds']:.1f}",
                    f"{cell['speed_up']:.1f} ×",
                    f"{cell['error']:.0e}",
                ]
            )
    columns = ["network", "parameters", "compacted", "ms", "compacted ms", "faster", "error"]
    report.table(f"{STRUCTURED:.0%} of the channels zero, then compacted", columns, rows)
    found = {
        name.removeprefix("corpus_"): cell
        for name, cell in cells.items()
        if name.startswith("corpus_")
    }
    rows = [
        [name, *(f"{cell[key]:,}" for key in ("layers", "before", "after")), f"{cell['error']:.0e}"]
        for name, cell in found.items()
        if "refused" not in cell
    ]
    columns = ["architecture", "layers", "parameters", "compacted", "error"]
    report.table("The same of the layers of small architectures of transformers", columns, rows)
    failures = {name: reason for name, cell in found.items() if (reason := failure_of(cell))}
    report.say(
        f"{len(found) - len(failures)} of {len(found)} architectures compute the same to "
        f"{LARGEST_ERROR:g} without their dead channels."
    )
    for name, reason in failures.items():
        report.say(f"{name}: {reason}.")
    _show_real(report, [cell for name, cell in cells.items() if name.startswith("real_")])


def _show_real(report: Report, found: list[Result]) -> None:
    if not found:
        return
    rows = [
        [
            cell["network"],
            f"{cell['orbits']}",
            f"{cell['units']:,}",
            f"{cell['before']:,}",
            f"{cell['after']:,}",
            f"{cell['bytes_before']:,}",
            f"{cell['bytes_after']:,}",
            f"{cell['milliseconds']:.2f}",
            f"{cell['milliseconds_of_operators']:.2f}",
            f"{cell['milliseconds_after']:.2f}",
            f"{cell['error']:.0e}",
        ]
        for cell in found
        if "refused" not in cell
    ]
    columns = ["network", "orbits", "units", "parameters", "compacted", "bytes", "compacted bytes"]
    columns += ["ms", "ms of its operators", "compacted ms", "error"]
    title = f"Real networks with {STRUCTURED:.0%} of the units of every orbit zero, then compacted"
    report.table(title, columns, rows)
    failures = {cell["network"]: reason for cell in found if (reason := failure_of(cell))}
    report.say(
        f"{len(found) - len(failures)} of {len(found)} real networks compute the same to "
        f"{LARGEST_ERROR:g} without their dead units; the corpus has {len(REAL_NETWORKS)}. Times "
        "are of the example inputs, one sample "
        "of most; those of the operators alone leave out what interprets an ONNX file in Python."
    )
    for name, reason in failures.items():
        report.say(f"{name}: {reason}.")
