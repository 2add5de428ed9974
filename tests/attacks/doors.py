"""The doors through which files come in, each a function of a path, tried in its own process.

Run as a program, it reads a folder to work in and a list of ``[door, path]`` from each line of
stdin and tries them in forks under 4 GB of address space and 60 s each, listening for what Python's
audit hooks say meanwhile.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

ADDRESS_SPACE = 4 * 10**9
SECONDS = 60
FULL = "> /dev/full"
MANY = 40
FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill", "subprocess.", "socket."),
    *("shutil.", "os.remove", "os.rename", "os.mkdir", "webbrowser.", "ctypes.dlopen", "pickle."),
)


def weights(path: Path) -> None:
    from graphwsl.imports import read_state_dict

    read_state_dict(path)


def safetensors(path: Path) -> None:
    from graphwsl.imports.safetensors import read_safetensors

    read_safetensors(path)


def tensors(path: Path) -> None:
    from gnncore.storage import load_metadata, load_tensors

    load_metadata(path)
    load_tensors(path, require_finite=True)


def onnx(path: Path) -> None:
    import torch

    from graphwsl.imports import from_onnx

    module = from_onnx(path)
    inputs = module.example_inputs()
    with torch.no_grad():
        module(*inputs)


def images(path: Path) -> None:
    from graphwsl.zoo.data import load_images

    load_images(str(path))


def recipe(path: Path) -> None:
    from graphwsl.zoo.recipe import Recipe
    from graphwsl.zoo.sweep import rows
    from graphwsl.zoo.training.train import images_of

    resolved = Recipe.resolve(path)
    rows(resolved)
    images_of(resolved)


def zoo(path: Path) -> None:
    """All that a training on the zoo does; what is wrong with single models may be listed."""
    from graphwsl.errors import GraphwslError
    from graphwsl.zoo.layouts.registry import open_zoo

    opened = open_zoo(path)
    for checkpoint in opened.checkpoints:
        opened.module(checkpoint)
        opened.example_inputs(checkpoint)
        with contextlib.suppress(GraphwslError):
            opened.weights(checkpoint)
    reasons = [f"{problem.path}: {problem.reason}" for problem in opened.problems]
    if reasons:
        from graphwsl.errors import ZooError

        raise ZooError("; ".join(reasons))


def grid(path: Path) -> None:
    from gridstab.grids.files import load_grid

    load_grid(path)


def labels(path: Path) -> None:
    from gridstab.datasets.grid_file import read_labels

    read_labels(path)


def layout(path: Path) -> None:
    from gridstab.datasets.layouts import find_layout

    list(find_layout(path).read(path))


def campaign(path: Path) -> None:
    from gridstab.datasets.campaign import Campaign

    Campaign.resolve(path)


def run(path: Path) -> None:
    from gridstab.datasets.run_folder import RunFolder

    RunFolder.open(path)


def json_file(path: Path) -> None:
    from gnncore.storage import read_json

    read_json(path)


def manifest(path: Path) -> None:
    from gnncore.storage import Manifest

    Manifest.read(path).verify()


def history(path: Path) -> None:
    from gridstab.learning.training_report import read_history

    read_history(path)


def model(path: Path) -> None:
    from gnncore.models import ModelSpecification

    ModelSpecification.from_toml(path)


def settings(path: Path) -> None:
    from gnncore.training import TrainingSettings

    TrainingSettings.from_toml(path)


DOORS: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (
        *(weights, safetensors, tensors, onnx, images, recipe, zoo, grid, labels, layout),
        *(campaign, run, json_file, manifest, history, model, settings),
    )
}


def command(arguments: list[str]) -> None:
    """A whole command line; the program is its first word."""
    if arguments[0] == "graphwsl":
        from graphwsl.cli import main
    else:
        from gridstab.cli import main
    sys.argv = arguments
    main()


def _try_all(attempts: list[tuple[str, Any]], out: int, streams: Path) -> None:
    """In a fork: the outcome of each attempt as a line of JSON to ``out``; never returns."""
    events: list[str] = []

    def listen(event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(given[2], int) and given[2] & os.O_ACCMODE
        if event.startswith(FORBIDDEN) or (writes and "__pycache__" not in str(given[0])):
            events.append(event)

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for door, argument in attempts:
        full = door == "command" and argument[-1] == FULL
        targets = ((1, "/dev/full" if full else streams / "stdout"), (2, streams / "stderr"))
        for number, path in targets:
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        if attempts[0] == (door, argument):
            sys.addaudithook(listen)
        events.clear()
        signal.alarm(SECONDS)
        outcome = _outcome(door, argument[:-1] if full else argument)
        signal.alarm(0)
        outcome |= {name: _tail(streams / name) for name in ("stdout", "stderr")}
        os.write(out, json.dumps(outcome | {"events": list(events)}).encode() + b"\n")
    os._exit(0)


def _outcome(door: str, argument: Any) -> dict[str, Any]:
    outcome: dict[str, Any] = {"error": None, "message": "", "code": None, "signal": 0}
    started = time.perf_counter()
    try:
        if door == "command":
            sys.path.insert(0, os.getcwd())
            command(argument)
        else:
            DOORS[door](Path(argument))
    except SystemExit as end:
        outcome["code"] = end.code
    except BaseException as error:
        outcome["error"] = [kind.__name__ for kind in type(error).__mro__]
        outcome["message"] = str(error)
        outcome["traceback"] = "".join(traceback.format_exception(error))[-3000:]
    return outcome | {"seconds": time.perf_counter() - started}


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-5000:]


READERS = (
    *("h5py", "networkx", "onnx.inliner", "sklearn.datasets", "safetensors.torch", "rich.table"),
    *("graphwsl.cli", "graphwsl.imports.onnx.module", "graphwsl.imports.state"),
    *(
        "graphwsl.zoo.layouts.registry",
        "graphwsl.zoo.training.train",
        "gridstab.cli",
        "gridstab.grids.files",
    ),
    *("gridstab.datasets.layouts", "gridstab.datasets.run_folder"),
    "gridstab.learning.training_report",
)


def main() -> None:
    for name in READERS:  # once, not in every fork
        import_module(name)
    for line in sys.stdin:
        folder, attempts = json.loads(line)
        os.chdir(folder)
        serve([(door, argument) for door, argument in attempts], Path(folder))


def serve(attempts: list[tuple[str, Any]], folder: Path) -> None:
    """Print the outcome of each attempt, in order, a line of JSON each."""
    streams = folder / "streams"
    streams.mkdir(exist_ok=True)
    while attempts:
        # Commands end their process; files are tried many to a fork, up to one that kills it.
        many = 1 if attempts[0][0] == "command" else MANY
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _try_all(attempts[:many], writing, streams)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            lines = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        for line in lines:
            print(line.decode(), flush=True)
        if len(lines) < len(attempts[:many]):
            dead = {"error": None, "events": [], "stderr": _tail(streams / "stderr")}
            print(json.dumps(dead | {"signal": os.WTERMSIG(status) or -1}), flush=True)
        attempts = attempts[min(len(lines) + 1, many) :]


if __name__ == "__main__":
    main()
