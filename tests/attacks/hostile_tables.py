"""Grids, labels, zoos and settings that are made to hurt, by the door that they come to."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gnncore.storage import Manifest

Attempt = tuple[str, Path]
DIGITS = b"1" * 5000
DEEP = b"[" * 10**5


def texts() -> dict[str, tuple[str, bytes]]:
    """Name of a file → its door and contents."""
    grid = {
        "format": "gridstab.PowerGrid",
        "version": 1,
        "name": "g",
        "lines": [[0, 1]],
        "power": [1, -1],
        "inertia": [1, 1],
        "damping": [0.1, 0.1],
        "coupling": [9],
        "coordinates": None,
    }

    def changed(**values: Any) -> bytes:
        return json.dumps(grid | values).encode()

    digits = json.dumps(grid).encode().replace(b"[9]", b"[" + DIGITS + b"]")
    files = {
        "deep.json": ("grid", DEEP),
        "digits.json": ("grid", digits),
        "half.json": ("grid", changed(name="\ud800")),
        "nul.json": ("grid", changed(name="a\0b")),
        "escape.json": ("grid", changed(name="\x1b]0;owned\x07")),
        "long_name.json": ("grid", changed(name="x" * 10**6)),
        "infinite.json": ("grid", changed(coordinates=[[1e308, 0], [-1e308, 1]])),
        "mixed.json": ("grid", changed(power=[[1], 2])),
        "large_node.json": ("grid", changed(lines=[[0, 2**70]])),
        "no_list.json": ("grid", changed(lines={"a": 1})),
        "repeated.json": ("json_file", b'{"a": 1, "a": 2}'),
        "nan.json": ("json_file", b"[NaN]"),
        "huge_number.json": ("json_file", b"[1e999]"),
        "unclosed.m": ("grid", b"mpc.bus = [\n" + b"1 2 3 4 5;\n" * 30_000),
        "nested.m": ("grid", b"mpc.bus = " + b"[" * 10**5),
        "other.m": ("grid", b"function mpc = case\nmpc.version = '2';\n"),
        "entities.graphml": ("grid", b'<!DOCTYPE a [<!ENTITY b "c">]><graphml>&b;</graphml>'),
        "deep.graphml": ("grid", b"<graphml>" + b"<a>" * 10**5),
        "power.graphml": ("grid", graphml("1e999")),
        "text.graphml": ("grid", graphml("a lot")),
        "digits.csv": ("grid", b"0,1\n1," + DIGITS),
        "large.csv": ("grid", b"0,9223372036854775808\n"),
        "negative.csv": ("grid", b"0,-1\n"),
        "infinite.csv": ("grid", b"source,target,coupling\n0,1,1e999\n"),
        "nul.csv": ("grid", b"0,\x001\n"),
        "bytes.csv": ("grid", b"\xff\xfe0,1\n"),
        "rows.csv": ("grid", b"source,target\n0,1\n1,2,3\n"),
        "long_label.csv": ("grid", b"source,target\na," + b"x" * 10**6),
        "escape.csv": ("grid", b"source,target\na,\x1b]0;owned\x07\n"),
        "empty.csv": ("grid", b""),
        "history.jsonl": ("history", b'{"epoch": 1}\n' + DEEP),
        "infinite.jsonl": ("history", b'{"epoch": 1e999}\n'),
        "list.jsonl": ("history", b"[1]\n"),
        "digits.jsonl": ("history", b'{"epoch": ' + DIGITS + b"}\n"),
    }
    for door in ("campaign", "recipe", "model", "settings"):
        files |= {
            f"{door}_deep.toml": (door, b"a = " + DEEP),
            f"{door}_tables.toml": (door, b"a = " + b"{b=" * 10**4),
            f"{door}_digits.toml": (door, b"seed = " + DIGITS),
            f"{door}_long.toml": (door, b"# " + b"x" * 2**21),
            f"{door}_date.toml": (door, b"seed = 2024-13-45"),
            f"{door}_bytes.toml": (door, b"seed = '\xff'"),
            f"{door}_list.toml": (door, b"seed = [[1]]\nepochs = {}"),
        }
    data = "[data]\nname = 'digits'\n"
    mlp = f"epochs = 1\n{data}[fixed]\narchitecture = 'mlp'\n"
    shares = [number / 10**5 for number in range(1, 10**5)]
    lists = {
        **{name: list(range(1, 1001)) for name in ("seed", "width", "depth", "heads")},
        "patch_size": list(range(1, 4000)),
        "learning_rate": shares,
        "weight_decay": shares,
    }
    rows = "[grid]\n" + "".join(f"{name} = {values}\n" for name, values in lists.items())
    recipes = {
        "epochs": f"epochs = 1000000000000\n{data}",
        "pixels": f"epochs = 1\n{data}image_size = 4096\nin_channels = 4096",
        "size": f"epochs = 1\n{data}image_size = 1000000000",
        "width": f"{mlp}width = 1000000000",
        "depth": f"{mlp}depth = 1000000000",
        "seeds": f"seeds = 1000000000\n{mlp}",
        "grid": f"sample = 3\n{mlp}{rows}",
    }
    files |= {f"{name}.toml": ("recipe", text.encode()) for name, text in recipes.items()}
    return files


def graphml(power: str) -> bytes:
    return (
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="p" for="node" attr.name="power" attr.type="string"/>'
        '<graph edgedefault="undirected">'
        f'<node id="a"><data key="p">{power}</data></node>'
        '<node id="b"><data key="p">1</data></node>'
        '<edge source="a" target="b"/></graph></graphml>'
    ).encode()


def write_labels(path: Path, **changes: Any) -> None:
    """A grid file of a run, in which some things are others."""
    arrays = {
        "edge_index": np.array([[1, 2], [2, 1]]),
        "edge_attr": np.array([9.0, 9.0]),
        "P": np.array([1.0, -1.0]),
        "inertia": np.ones(2),
        "damping": np.ones(2),
        "snbs": np.ones(2),
    }
    attributes = {"grid_id": 1, "name": "g"}
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            if callable(changes.get(name)):
                changes[name](file, name)
            else:
                file[name] = changes.get(name, value)
        for name, value in attributes.items():
            file.attrs[name] = changes.get(name, value)


def _bomb(file: h5py.File, name: str) -> None:
    """A chunk of 4 MB that unpacks to 3.9 GB, within a dataset of as much."""
    data = file.create_dataset(name, (5 * 10**8,), "f8", chunks=(5 * 10**8,), compression="gzip")
    data.id.write_direct_chunk((0,), gzip.zlib.compress(bytes(10**6)) * 3)


def _promise(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (10**8,), "f8")


def _virtual(file: h5py.File, name: str) -> None:
    plan = h5py.VirtualLayout((2,), "f8")
    plan[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
    file.create_virtual_dataset(name, plan)


def _external(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (2,), "f8", external=[("/etc/passwd", 0, 16)])


def _link(file: h5py.File, name: str) -> None:
    file[name] = h5py.ExternalLink("/etc/passwd", "x")


def _group(file: h5py.File, name: str) -> None:
    file.create_group(name)[name] = file.create_group("other")


def _texts(file: h5py.File, name: str) -> None:
    file.create_dataset(name, data=["x" * 10**4] * 900, dtype=h5py.string_dtype())


CHANGES: dict[str, dict[str, Any]] = {
    "id_list": {"grid_id": np.array([1, 2])},
    "id_text": {"grid_id": "one"},
    "id_infinite": {"grid_id": np.inf},
    "id_negative": {"grid_id": -3},
    "bomb": {"P": _bomb},
    "promise": {"snbs": _promise},
    "virtual": {"P": _virtual},
    "external": {"snbs": _external},
    "link": {"snbs": _link},
    "group": {"P": _group},
    "texts": {"P": _texts},
    "text": {"P": np.array([b"a", b"b"])},
    "nan": {"P": np.array([np.nan, 1.0])},
    "square": {"P": np.ones((2, 2))},
    "self_loop": {"edge_index": np.array([[1, 1], [1, 1]])},
    "large": {"edge_index": np.array([[1, 2**62], [2**62, 1]])},
    "objects": {"snbs": lambda file, name: file.create_dataset(name, (2,), h5py.ref_dtype)},
}


def label_files(folder: Path) -> list[Attempt]:
    """Files of a run, of the layouts of 2021 and 2022, and of that of 2023."""
    attempts: list[Attempt] = []
    for name, changes in CHANGES.items():
        path = folder / f"labels_{name}.h5"
        write_labels(path, **changes)
        attempts.append(("labels", path))
        if "grid_id" in changes:
            continue
        for kind in ("per_grid", "split"):
            target = folder / f"{kind}_{name}"
            target.mkdir()
            if kind == "per_grid":
                shutil.copy(path, target / "grid_data_00001.h5")
                shutil.copy(path, target / "snbs_00001.h5")
            else:
                _split(target, changes)
            attempts.append(("layout", target))
    return attempts


def _split(target: Path, changes: dict[str, Any]) -> None:
    features = {"edge_index": "edge_index", "edge_attr": "edge_attr", "P": "node_features"}
    with h5py.File(target / "input_data.h5", "w") as file:
        group = file.create_group("grids/1")
        honest = {
            "edge_index": np.array([[1, 2], [2, 1]]),
            "edge_attr": np.array([9.0, 9.0]),
            "P": np.array([1.0, -1.0]),
        }
        for own, theirs in features.items():
            value = changes.get(own, honest[own])
            if callable(value):
                value(group, theirs)
            else:
                group[theirs] = value
    with h5py.File(target / "snbs.h5", "w") as file:
        value = changes.get("snbs", np.ones(2))
        if callable(value):
            value(file, "1")
        else:
            file["1"] = value


def zoos(folder: Path) -> list[Attempt]:
    """Zoos of Ray Tune, of Keras's small CNNs and of our own whose tables lie."""
    made = [
        *(_ray_tune(folder, name, **files) for name, files in _RAY_TUNE.items()),
        *(_small_cnn(folder, name, *files) for name, files in _SMALL_CNN.items()),
        *(_own(folder, name, row) for name, row in _INDEX.items()),
    ]
    return [("zoo", path) for path in made]


_PARAMS = {"model::type": "CNN", "model::channels_in": 1, "model::nlin": "tanh"}
_RESULT = {"training_iteration": 1, "test_acc": 0.5}


def _params(**changes: Any) -> bytes:
    return json.dumps(_PARAMS | changes).encode()


_RAY_TUNE: dict[str, dict[str, bytes]] = {
    "channels": {"params": _params(**{"model::channels_in": 10**9})},
    "classes": {"params": _params(**{"model::type": "Resnet18", "model::o_dim": 10**9})},
    "width": {"params": _params(**{"model::type": "Resnet50_width", "model::width": 10**9})},
    "wide": {"params": _params(**{"model::type": "Resnet50_width", "model::width": 2**16})},
    "text": {"params": _params(**{"model::channels_in": "many"})},
    "yes": {"params": _params(**{"model::channels_in": True})},
    "activation": {"params": _params(**{"model::nlin": ["tanh"]})},
    "dropout": {"params": _params(**{"model::dropout": "often"})},
    "deep": {"params": DEEP},
    "nested": {"params": _params()[:-1] + b', "a": ' + b"[" * 900 + b"]" * 900 + b"}"},
    "digits": {"params": _params()[:-1] + b', "a": ' + DIGITS + b"}"},
    "infinite_result": {"result": json.dumps(_RESULT | {"training_iteration": 1e999}).encode()},
    "deep_result": {"result": DEEP},
    "large_result": {"result": json.dumps(_RESULT | {"test_acc": 10**400}).encode()},
    "markup": {"params": _params(**{"model::type": "[/red]\x1b]0;owned\x07"})},
}


def _ray_tune(folder: Path, name: str, params: bytes = b"", result: bytes = b"") -> Path:
    target = folder / f"ray_tune_{name}"
    (target / "one" / "checkpoint_1").mkdir(parents=True)
    (target / "one" / "params.json").write_bytes(params or _params())
    (target / "one" / "result.json").write_bytes(result or json.dumps(_RESULT).encode())
    (target / "one" / "checkpoint_1" / "checkpoints").write_bytes(b"no weights")
    return target


_HEADER = "modeldir,step,train_loss,train_accuracy,test_loss,test_accuracy,config.activation"
_SMALL_CNN: dict[str, tuple[bytes, bytes]] = {
    "bomb": (gzip.compress(b"," * 2**28), b""),
    "rows": (gzip.compress(f"{_HEADER}\n".encode() + b"a\n" * 10**6), b""),
    "infinite_step": (gzip.compress(f"{_HEADER}\na,inf,1,1,1,1,relu\n".encode()), b""),
    "large_step": (gzip.compress(f"{_HEADER}\na,1e300,1,1,1,1,relu\n".encode()), b""),
    "quoted": (gzip.compress(f'{_HEADER}\n"a,\n1'.encode()), b""),
    "damaged": (gzip.compress(f"{_HEADER}\n".encode())[:-9], b""),
    "bytes": (gzip.compress(b"\xff\n"), b""),
    "layout": (
        gzip.compress(f"{_HEADER}\na,1,1,1,1,1,relu\n".encode()),
        b"varname,start_idx\na,b\n",
    ),
    "digits": (
        gzip.compress(f"{_HEADER}\na,1,1,1,1,1,relu\n".encode()),
        b"varname,start_idx,end_idx,shape\na/bias:0,0," + DIGITS + b",(16)\n",
    ),
}


def _small_cnn(folder: Path, name: str, metrics: bytes, layout: bytes) -> Path:
    target = folder / f"small_cnn_{name}"
    target.mkdir()
    np.save(target / "weights.npy", np.zeros((1, 4970), np.float32))
    (target / "metrics.csv.gz").write_bytes(metrics)
    if layout:
        (target / "layout.csv").write_bytes(layout)
    return target


_ROW = {
    "model": "00000",
    "epoch": 0,
    "configuration": {"architecture": "mlp", "image_size": 8, "in_channels": 1, "out_channels": 10},
    "metrics": {},
    "chunk": 0,
    "place": [0, 0],
}


def _row(**changes: Any) -> bytes:
    return json.dumps(_ROW | changes).encode()


_INDEX: dict[str, bytes] = {
    "deep": DEEP,
    "digits": _row().replace(b'"epoch": 0', b'"epoch": ' + DIGITS),
    "infinite": _row().replace(b'"epoch": 0', b'"epoch": 1e999'),
    "large": _row(epoch=2**80),
    "negative": _row(place=[-1, 0]),
    "list": b"[1]",
    "factor": _row(configuration={"architecture": ["mlp"]}),
    "metric": _row(metrics={"test_accuracy": "good"}),
    "width": _row(configuration=_ROW["configuration"] | {"width": 10**9}),  # type: ignore[operator]
    "half": _row(model="\ud800"),
}


def _own(folder: Path, name: str, row: bytes) -> Path:
    target = folder / f"own_{name}"
    (target / "chunks").mkdir(parents=True)
    (target / "zoo.json").write_text('{"kind": "graphwsl.zoo", "format": 1}')
    (target / "index.jsonl").write_bytes(row + b"\n")
    Manifest.of(target).write()
    return target


BUILDERS: tuple[Callable[[Path], list[Attempt]], ...] = (label_files, zoos)
