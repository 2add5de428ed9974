"""Made-up caches of the Hugging Face Hub, as ``huggingface_hub`` lays them out."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

REVISION = "a" * 40


def tensors(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "layers.10.weight": torch.randn(2, 4, generator=generator),
        "layers.2.weight": torch.randn(4, 3, generator=generator),
        "layers.2.bias": torch.randn(4, generator=generator).bfloat16(),
    }


def card(licence: str) -> bytes:
    return f"---\nlicense: {licence}\ntags:\n- a\n---\n# A model\n".encode()


def repository(
    cache: Path,
    repo_id: str,
    files: Mapping[str, bytes | Mapping[str, Any]],
    *,
    revision: str = REVISION,
    reference: str | None = REVISION,
    links: bool = True,
) -> Path:
    """A repository of a cache; returns its snapshot."""
    folder = cache / ("models--" + repo_id.replace("/", "--"))
    snapshot = folder / "snapshots" / revision
    for part in (snapshot, folder / "blobs", folder / "refs"):
        part.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        if links:
            blob.write_bytes(data)
            os.symlink(os.path.relpath(blob, snapshot), snapshot / name)
        else:
            (snapshot / name).write_bytes(data)
    if reference is not None:
        (folder / "refs" / "main").write_text(reference)
    return snapshot


def model(seed: int = 0, **more: bytes | Mapping[str, Any]) -> dict[str, bytes | Mapping[str, Any]]:
    """The files of a small model."""
    files: dict[str, bytes | Mapping[str, Any]] = {
        "model.safetensors": save(tensors(seed), {"format": "pt"}),
        "config.json": {"model_type": "invented"},
        "README.md": card("mit"),
    }
    return files | {name.replace("__", "."): content for name, content in more.items()}
