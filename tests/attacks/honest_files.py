"""Small honest files of every format, and changes of their bytes."""

import io
import random
from pathlib import Path

import numpy as np
import torch

from tests.attacks import hostile_tables
from tests.attacks.hostile_weights import HONEST, Made, archive, members_of, npy, saved


def made(folder: Path) -> Made:
    """File name → the door that it is brought to, and its contents."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.torch import save

    from gridstab.grids import ring, save_grid

    weight = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Reshape", ["h", "s"], ["r"]),
            helper.make_node("Relu", ["r"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [onnx.ValueInfoProto(name="y")],
        [weight, numpy_helper.from_array(np.array([-1]), "s")],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save_grid(ring(4), folder / "honest.json")
    hostile_tables.write_labels(folder / "honest.h5")
    packed = io.BytesIO()
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    np.savez_compressed(
        packed, x_train=images, x_test=images, y_train=np.arange(2), y_test=np.arange(2)
    )
    mlp = b"epochs = 1\n[data]\nname = 'digits'\n[fixed]\narchitecture = 'mlp'\nwidth = 4\n"
    return {
        "a.pt": ("weights", saved(HONEST)),
        "b.pt": ("weights", archive(members_of(saved({"module.w": torch.ones(2)})))),
        "a.pth": ("weights", saved(HONEST, legacy=True)),
        "a.safetensors": ("weights", save(HONEST, {"k": "v"})),
        "b.safetensors": ("tensors", save(HONEST)),
        "a.npz": ("images", packed.getvalue()),
        "b.npz": ("weights", archive({"w.npy": npy("(1,)", bytes(8))})),
        "a.onnx": ("onnx", network.SerializeToString()),
        "a.json": ("grid", (folder / "honest.json").read_bytes()),
        "a.graphml": ("grid", hostile_tables.graphml("-1")),
        "a.csv": ("grid", b"source,target,coupling\n0,1,9\n1,2,9\n2,3,9\n3,0,9\n"),
        "a.h5": ("labels", (folder / "honest.h5").read_bytes()),
        "a.toml": ("recipe", mlp),
        "b.toml": ("campaign", b"nodes = 10\nsamples = 5\nengine = 'native'\nhorizon = 10.0\n"),
        "c.toml": ("settings", b"epochs = 3\nlearning_rate = 0.1\n"),
        "a.jsonl": ("history", b'{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": null}\n'),
    }


def mutated(data: bytes, seed: str) -> bytes:
    """A copy with some bytes changed, cut out, doubled or put in."""
    draw = random.Random(seed)
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(changed) + 1)
        end = start + draw.randint(1, 8)
        how = draw.randrange(6)
        if how < 2 and start < len(changed):
            changed[start] = draw.randrange(256)
        elif how == 2 and start < len(changed):
            changed[start] ^= 1 << draw.randrange(8)
        elif how == 3:
            del changed[start:end]
        elif how == 4:
            changed[start:start] = changed[start:end] * draw.randint(1, 50)
        else:
            number = draw.choice((0, 255, 2**31, 2**32 - 1, 2**63, 10**12, 2**64 - 1))
            changed[start : start + 8] = number.to_bytes(8, draw.choice(("little", "big")))
    return bytes(changed)
