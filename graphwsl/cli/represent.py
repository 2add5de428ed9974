"""``graphwsl represent …``: learn what weights have in common, embed and rebuild networks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import file_option, folder_option
from gnncore.command_line.program import make_group
from graphwsl.cli import app
from graphwsl.cli.choices import DATA, REPRESENTATIONS
from graphwsl.cli.options import (
    CONTINUE,
    DEVICE,
    EPOCH,
    IMPORT,
    LARGEST_SEED,
    PASSES,
    SIZE,
    SPLIT_SEED,
    count_of,
    counted,
    print_left_out,
    print_repaired,
    settings_of,
)

if TYPE_CHECKING:
    from graphwsl.populations.loading import LoadedNetworks
    from graphwsl.representations import Representation
    from graphwsl.representations.train import TrainedRepresentation

represent_app = make_group("What weights have in common: train, embed, reconstruct.")
app.add_typer(represent_app, name="represent")

_NETWORKS: Any = typer.Argument(
    help="Folders of zoos; ONNX files, or modules as module:factory, with their weights; or files "
    "of weights (.pt, .pth, .safetensors, .npz), or folders of these."
)
_EPOCH: Any = typer.Option(
    None, min=0, help="Only checkpoints of this epoch; may be given several times."
)
_NETWORK: Any = typer.Option(
    None,
    help="What files of weights belong to: an ONNX file, or module:factory. "
    "[default: the network among those learnt from that has such weights]",
    show_default=False,
)


@represent_app.command()
def train(
    zoo: Path = typer.Argument(help="Folder of a zoo, of any layout."),
    method: str = typer.Option(
        "sane",
        help="hyper_representation, sane, multi_zoo, behavioural, hub or graph_autoencoder.",
        autocompletion=one_of(*REPRESENTATIONS),
    ),
    size: str = SIZE,
    option: list[str] = typer.Option(
        [],
        help="In place of one of its settings, as latent_channels=64; may be given several times.",
        show_default=False,
    ),
    epochs: int | None = PASSES,
    epoch: list[int] | None = EPOCH,
    data: str | None = typer.Option(
        None,
        help="Samples on which behaviour is compared: digits, mnist_5000, an .npz file, or your "
        "own. [default: the zoo's own]",
        show_default=False,
        autocompletion=one_of(*DATA),
    ),
    seed: int = typer.Option(
        0, min=0, max=LARGEST_SEED, help="Seed of weights, batches and augmentations."
    ),
    split_seed: int = SPLIT_SEED,
    device: str | None = DEVICE,
    out: Path | None = folder_option(
        "Folder of the representation. [default: representations/<zoo>-<method>]"
    ),
    resume: bool = CONTINUE,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Learn a representation of a zoo and judge it once on networks that it never saw."""
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.resuming import resumable
    from graphwsl.representations.train import train_representation

    import_modules(modules)
    out = Path("representations", f"{zoo.resolve().name}-{method}") if out is None else out
    options: dict[str, Any] = {**settings_of(option), "epochs": epochs, "device": device}
    with resumable("graphwsl"):
        trained = train_representation(
            zoo,
            out,
            representation=method,
            size=size,
            seed=seed,
            split_seed=split_seed,
            epochs_of_zoo=epoch,
            data=data,
            resume=resume,
            progress=not (quiet or as_json),
            **{name: value for name, value in options.items() if value is not None},
        )
    summary = summarise(trained, out)
    if as_json:
        echo_json(summary)
        return
    print_repaired(summary["repaired"])
    print_left_out(summary["left_out"])
    if not quiet:
        _print(summary)


@represent_app.command()
def embed(
    representation: Path = typer.Argument(help="Folder that graphwsl represent train made."),
    networks: list[str] = _NETWORKS,
    out: Path = file_option(
        "File of the embedding: .csv, or .safetensors.", default=..., makes_folder=True
    ),
    full: bool = typer.Option(
        False, "--full", help="All latents of a network, in place of their mean."
    ),
    epoch: list[int] | None = _EPOCH,
    network: str | None = _NETWORK,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """One vector a network, in a file.

    What cannot be used is left out and named, with the reason; the exit code is 2 if nothing is
    left.
    """
    from graphwsl.representations.files import embedding_path, save_embedding

    embedding_path(out)
    model, loaded = _opened(representation, networks, epoch, network, modules)
    embedding = model.embed(loaded.population, full=full)
    save_embedding(out, embedding, loaded.population, loaded.names)
    summary = {
        "out": str(out),
        "representation": model.name,
        "networks": len(embedding),
        "features": embedding.shape[1],
    }
    _tell(
        summary,
        loaded,
        as_json,
        f"{model.name}: {counted(len(embedding), 'network')}, "
        f"{counted(embedding.shape[1], 'number')} each",
    )


@represent_app.command()
def reconstruct(
    representation: Path = typer.Argument(help="Folder that graphwsl represent train made."),
    networks: list[str] = _NETWORKS,
    out: Path = folder_option(
        "Folder of the rebuilt networks, a .safetensors file each; new or empty.", default=...
    ),
    data: str | None = typer.Option(
        None,
        help="Compare the classes that networks choose for these test samples: digits, "
        "mnist_5000, an .npz file, or your own. [default: no comparison]",
        show_default=False,
        autocompletion=one_of(*DATA),
    ),
    epoch: list[int] | None = _EPOCH,
    network: str | None = _NETWORK,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Networks as they come back from their latents, as files of weights.

    What cannot be used is left out and named, with the reason; the exit code is 2 if nothing is
    left.
    """
    from graphwsl.representations.files import empty_folder, save_networks
    from graphwsl.representations.quality import agreement
    from graphwsl.zoo.data import load_images

    empty_folder(out)
    samples = None if data is None else load_images(data).test
    model, loaded = _opened(
        representation, networks, epoch, network, modules, runs=data is not None
    )
    rebuilt = model.reconstruct(loaded.population)
    parts = _parts(model, loaded)
    rows: list[dict[str, Any]] = [{"part": part} for part in parts]
    found = None if samples is None else agreement(loaded.population, rebuilt, samples)
    if found is not None:
        rows = [row | {"agreement": one} for row, one in zip(rows, found.tolist(), strict=True)]
    save_networks(out, rebuilt, loaded.names, rows)
    others = [row["agreement"] for row in rows if row["part"] is None and found is not None]
    summary: dict[str, Any] = {
        "out": str(out),
        "representation": model.name,
        "networks": len(rebuilt),
        "agreement": sum(others) / len(others) if others else None,
        "judged": _counts(loaded, parts),
        "fitted_to_is_known": model.fitted_to is not None,
    }
    text = f"{model.name}: {counted(len(rebuilt), 'network')}"
    _tell(summary, loaded, as_json, text if found is None else f"{text}\n{_judged(summary)}")


def summarise(trained: "TrainedRepresentation", out: Path) -> dict[str, Any]:
    """What was learnt and how good it is, as plain values."""
    made = trained.representation
    return {
        "out": str(out),
        "representation": made.name,
        "size": made.size,
        "settings": made.settings.model_dump(),
        "report": made.report,
        "left_out": [[problem.path, problem.reason] for problem in trained.left_out],
        "repaired": trained.repaired,
        **trained.metrics,
    }


def _opened(
    representation: Path,
    networks: list[str],
    epoch: list[int] | None,
    network: str | None,
    modules: list[str],
    *,
    runs: bool = False,
) -> tuple["Representation", "LoadedNetworks"]:
    from gnncore.command_line.importing import import_modules
    from graphwsl.populations.loading import Homes, load_networks
    from graphwsl.representations import load

    import_modules(modules)
    model = load(representation)
    homes = Homes(network, model.networks, by_activation=runs)
    return model, load_networks(networks, epochs=epoch, homes=homes)


def _parts(model: "Representation", loaded: "LoadedNetworks") -> list[str | None]:
    """Of each checkpoint, the part that it had in the fit."""
    if model.fitted_to is None:
        return [None] * len(loaded.names)
    return model.fitted_to.parts(loaded.population, loaded.names)


def _counts(loaded: "LoadedNetworks", parts: list[str | None]) -> dict[str, dict[str, int]]:
    """Numbers of checkpoints and networks by part; those that were not learnt from as others."""
    networks: dict[str, list[tuple[str, str]]] = {}
    for name, checkpoint, part in zip(
        loaded.names, loaded.population.checkpoints, parts, strict=True
    ):
        networks.setdefault(part or "others", []).append((name, checkpoint.model))
    return {
        part: {"checkpoints": len(some), "networks": len(set(some))}
        for part, some in networks.items()
    }


def _judged(summary: dict[str, Any]) -> str:
    """How alike networks behave that it did not learn from, and which others were left out."""
    judged = summary["judged"]
    fitted = [
        f"{count_of(judged[part])} that {what}"
        for part, what in (("train", "it learnt from"), ("valid", "chose its epoch"))
        if part in judged
    ]
    if "others" not in judged:
        return f"fitted to {', '.join(fitted)}: how good it is shows on others"
    text = f"{summary['agreement']:.1%} of the choices of classes are the original ones"
    if not summary["fitted_to_is_known"]:
        return (
            f"{text}; the representation does not say which networks it learnt from, and those "
            "here may be among them, which makes it look better than it is"
        )
    left_out = f"; left out: {', '.join(fitted)}" if fitted else ""
    return f"{text}, of {count_of(judged['others'])} that it did not learn from{left_out}"


def _tell(summary: dict[str, Any], loaded: "LoadedNetworks", as_json: bool, text: str) -> None:
    from gnncore.command_line.json_output import echo_json

    left_out = [[problem.path, problem.reason] for problem in loaded.left_out]
    if as_json:
        echo_json({**summary, "left_out": left_out})
        return
    print_left_out(left_out)
    typer.echo(summary["out"])
    typer.echo(text)


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table

    from gnncore.command_line.output import console

    report, checkpoints, networks = (
        summary[name] for name in ("report", "checkpoints", "networks")
    )
    typer.echo(summary["out"])
    typer.echo(
        f"{summary['representation']}: {report['parameters']:,} parameters, learnt from "
        f"{counted(checkpoints['train'], 'checkpoint')} of {counted(networks['train'], 'network')}"
    )
    table = Table("rebuilt", "valid", "test")
    for name in summary["test"]:
        table.add_row(name, *(f"{summary[part][name]:.4g}" for part in ("valid", "test")))
    console().print(table)
