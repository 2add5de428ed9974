"""Adapters in the files of ``peft``: adapter_config.json and adapter_model.safetensors.

What ``peft`` writes is read, and what is written here ``peft`` loads, without its being installed.
Variants whose sum is another one are refused, see :mod:`graphwsl.generators.lora.peft_options`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gnncore.storage import leading_to, make_folder, read_json, write_bytes, write_json
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.canonical_form import require_pair
from graphwsl.generators.lora.low_rank import FIRST, SECOND, Pair, Pairs
from graphwsl.generators.lora.peft_options import PLAIN, only, rank_of, require_plain, scaling_of
from graphwsl.imports.safetensors import read_safetensors

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What stands before the path of every layer."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """Low-rank pairs and what they are multiplied with.

    Attributes:
        pairs: A and B of each layer.
        scaling: Factor of each layer's product.
        base: Name or path of the base model; None where it is not said.
    """

    pairs: Pairs
    scaling: dict[str, float]
    base: str | None = None


def save_adapter(
    folder: str | Path,
    pairs: Mapping[str, Pair],
    alpha: float,
    base: str | None = None,
) -> None:
    """Write the two files of an adapter, its matrices in the types that they have.

    Args:
        folder: Made if it is missing.
        pairs: A and B of each layer.
        alpha: Products are scaled by ``alpha / rank`` of their layer.
        base: Name or path of the base model.

    Raises:
        GeneratorError: There are no pairs, not A and B of one network, or a path is no text that
            can be printed.
        StorageError: The disk is full, the folder read-only, and the like.
    """
    from safetensors.torch import save

    arguments.positive("alpha", alpha)
    if not pairs:
        raise GeneratorError("there are no pairs; give A and B of at least one layer")
    tensors: dict[str, Tensor] = {}
    for layer, (a, b) in pairs.items():
        if not isinstance(layer, str) or not layer.isprintable():
            raise GeneratorError(f"{layer!r} is no path of a layer; give paths that can be printed")
        require_pair(repr(layer), a, b)
        if a.ndim != 2 or not len(a):
            raise GeneratorError(
                f"a file holds one adapter of a rank from 1 on; {layer!r} has {tuple(a.shape)}"
            )
        for ending, matrix in ((FIRST, a), (SECOND, b)):
            own = matrix.detach().cpu().clone(memory_format=torch.contiguous_format)
            tensors[f"{PREFIX}{layer}{ending}"] = own
    ranks = {layer: int(a.shape[0]) for layer, (a, _) in pairs.items()}
    usual = max(ranks.values(), key=list(ranks.values()).count)
    others = {only(layer): rank for layer, rank in ranks.items() if rank != usual}
    config = {
        **PLAIN,
        "alpha_pattern": dict.fromkeys(others, float(alpha)),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": float(alpha),
        "lora_dropout": 0.0,
        "r": usual,
        "rank_pattern": others,
        "target_modules": sorted(pairs),
        "task_type": None,
        "use_rslora": False,
    }
    folder = leading_to(arguments.as_path("folder", folder))
    make_folder(folder)
    write_bytes(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    write_json(folder / CONFIG, config)


def load_adapter(folder: str | Path) -> Adapter:
    """Read the two files of an adapter.

    Args:
        folder: Where they are.

    Raises:
        GeneratorError: The adapter is of a kind that is no sum with a low-rank product, or its
            tensors are not pairs of the ranks that its configuration says.
        ImportedModelError: The weights are damaged.
        StorageError: The configuration is missing or damaged.
    """
    folder = arguments.as_path("folder", folder)
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict):
        raise GeneratorError(f"{str(folder / CONFIG)!r} holds no configuration of an adapter")
    require_plain(str(folder), config)
    tensors = read_safetensors(folder / WEIGHTS)
    pairs: Pairs = {}
    for name in sorted(tensors, key=_natural):
        layer = name.removeprefix(PREFIX).removesuffix(FIRST)
        if name.endswith(FIRST) and name.startswith(PREFIX):
            second = f"{PREFIX}{layer}{SECOND}"
            if second not in tensors:
                raise GeneratorError(f"{str(folder / WEIGHTS)!r} has {name!r} and no {second!r}")
            pairs[layer] = (tensors[name], tensors[second])
            require_pair(repr(layer), *pairs[layer])
    unknown = set(tensors) - {f"{PREFIX}{n}{e}" for n in pairs for e in (FIRST, SECOND)}
    if unknown or not pairs:
        what = f"{min(unknown)!r}, which is" if unknown else "nothing that is"
        raise GeneratorError(f"{str(folder / WEIGHTS)!r} holds {what} no pair of a linear layer")
    for layer, (a, _) in pairs.items():
        rank = rank_of(str(folder), config, layer)
        if rank != a.shape[0]:
            raise GeneratorError(
                f"{layer!r} in {str(folder)!r} has rank {a.shape[0]}, not "
                f"{arguments.described(rank)} as it says"
            )
    scaling = {layer: scaling_of(str(folder), config, layer) for layer in pairs}
    base = config.get("base_model_name_or_path")
    return Adapter(pairs, scaling, None if base is None else str(base))


def _natural(name: str) -> list[tuple[int, str]]:
    """Layer 2 before layer 10."""
    parts = re.split(r"(\d+)", name)
    return [(len(part) if part.isdecimal() else 0, part) for part in parts]
