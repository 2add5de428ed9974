"""A model on disk: ``config.json`` and ``model.safetensors``, each written whole or not at all.

These are weights to use, without the state of their training, which is a checkpoint. Both files
carry the same seal, a checksum over the specification and every bit of the weights, so that
damaged weights, and those of another model, are told from the right ones. Folders of earlier
versions have no seal and are read without.
"""

import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor

from gnncore.errors import SavedModelError, SpecificationError
from gnncore.models.specification import ModelSpecification
from gnncore.storage import (
    CorruptFileError,
    Owner,
    StorageError,
    check_seal,
    load_metadata,
    load_tensors,
    read_json,
    save_tensors,
    seal_of,
    write_json,
)

CONFIG_NAME = constants.CONFIG_NAME
WEIGHTS_NAME = constants.SAFETENSORS_SINGLE_FILE

MODEL_CARD = """---
{{ card_data }}
---

A graph neural network, made with graphwsl-gridstab. Read it with

```python
from gnncore.models import GraphModel

model = GraphModel.from_pretrained("folder or name on the Hub")
```
"""


def find_model(name: str | PathLike[str], **hub_options: Any) -> Path:
    """The folder of this name, or the one into which the Hugging Face Hub's is downloaded.

    Raises:
        SavedModelError: There is neither; a ``Path`` is never looked for on the Hub.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not isinstance(name, str) or folder.is_absolute() or folder.exists():
        raise SavedModelError(f"{str(name)!r} is no folder; give the folder of a model")
    files = [CONFIG_NAME, WEIGHTS_NAME]
    try:
        return Path(snapshot_download(str(name), allow_patterns=files, **hub_options))
    except (HfHubHTTPError, OSError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise SavedModelError(
            f"{str(name)!r} is neither a folder nor a model on the Hugging Face Hub: {cause}"
        ) from error


def write_model(
    folder: Path, specification: ModelSpecification, state: Mapping[str, Tensor]
) -> None:
    """Write both files; the weights carry the specification too, so that they cannot be mixed.

    Raises:
        SavedModelError: Numbers of a type that NumPy lacks, such as bfloat16.
        StorageError: The disk is full, the folder read-only, and the like.
    """
    values = specification.model_dump(mode="json")
    try:
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
    except TypeError as error:
        raise SavedModelError(
            f"cannot save a model to {str(folder)!r}: {error}; call model.float() first"
        ) from error
    seal = seal_of(_owner(specification), arrays)
    text = json.dumps(values, sort_keys=True)
    metadata = {"format": "pt", "specification": text, "seal": seal}
    save_tensors(folder / WEIGHTS_NAME, arrays, metadata)
    write_json(folder / CONFIG_NAME, {"specification": values, "seal": seal})


def read_model(folder: Path) -> tuple[ModelSpecification, dict[str, Tensor]]:
    """The specification and the weights in a folder.

    Raises:
        SavedModelError: A file is missing, damaged or not finite, the configuration specifies no
            model, or the two files are of different models.
    """
    config, weights = folder / CONFIG_NAME, folder / WEIGHTS_NAME
    if not weights.exists() and (folder / constants.PYTORCH_WEIGHTS_NAME).exists():
        raise SavedModelError(
            f"{str(folder)!r} has {constants.PYTORCH_WEIGHTS_NAME} but no {WEIGHTS_NAME}; pickles "
            "can run code and are not read, save the weights as safetensors"
        )
    try:
        values = read_json(config)
        arrays = load_tensors(weights, require_finite=True)
        metadata = load_metadata(weights)
    except StorageError as error:
        raise SavedModelError(str(error)) from error
    specification = _specification(values, config)
    if "specification" in metadata:
        _require_one_model(specification, metadata["specification"], folder)
    return specification, {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}


def seals_of(folder: Path) -> set[str]:
    """The seals that the two files of a folder carry: one, or none in those of earlier versions.

    Raises:
        StorageError: A file is missing or damaged.
    """
    values, metadata = read_json(folder / CONFIG_NAME), load_metadata(folder / WEIGHTS_NAME)
    found = [values.get("seal") if isinstance(values, dict) else None, metadata.get("seal")]
    return {str(seal) for seal in found if seal is not None}


def require_sealed(
    folder: Path, specification: ModelSpecification, state: Mapping[str, Tensor]
) -> None:
    """Check that specification and weights are those that the folder's seal was made for.

    Raises:
        SavedModelError: A number has changed, or the files are of different models.
    """
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    try:
        seals = seals_of(folder)
        if len(seals) > 1:
            raise CorruptFileError.because(
                "use", folder, f"{CONFIG_NAME} and {WEIGHTS_NAME} do not carry the same seal"
            )
        for seal in seals:
            check_seal(folder / WEIGHTS_NAME, seal, _owner(specification), arrays)
    except StorageError as error:
        raise SavedModelError(str(error)) from error


def _owner(specification: ModelSpecification) -> Owner:
    text = json.dumps(specification.model_dump(mode="json"), sort_keys=True)
    return {"specification": hashlib.sha256(text.encode()).hexdigest()}


def require_same(needed: Mapping[str, Tensor], given: Mapping[str, Tensor], path: Path) -> None:
    """Check that the weights in the file are those that the model needs.

    Raises:
        SavedModelError: A name is missing or unknown, or a shape or kind of number differs.
    """
    for name in sorted({*needed, *given}):
        if name not in given:
            raise SavedModelError(f"{str(path)!r} is of another model: it lacks {name!r}")
        if name not in needed:
            raise SavedModelError(f"{str(path)!r} is of another model: it has {name!r} as well")
        a, b = (_kind(state[name]) for state in (needed, given))
        if a != b:
            raise SavedModelError(
                f"{str(path)!r} is of another model: {name!r} must be {a}, but is {b}"
            )


def _kind(tensor: Tensor) -> str:
    number = "real" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return f"{number} of shape {list(tensor.shape)}"


def _specification(values: Any, path: Path) -> ModelSpecification:
    if not isinstance(values, dict) or not isinstance(values.get("specification"), dict):
        raise SavedModelError(f"{str(path)!r} has no 'specification' of a model")
    try:
        return ModelSpecification(**values["specification"])
    except SpecificationError as error:
        raise SavedModelError(f"{str(path)!r} specifies no model: {error}") from error


def _require_one_model(specification: ModelSpecification, written: str, folder: Path) -> None:
    try:
        other = _specification({"specification": json.loads(written)}, folder / WEIGHTS_NAME)
    except (RecursionError, ValueError) as error:  # which SavedModelError is too
        raise SavedModelError(f"{str(folder / WEIGHTS_NAME)!r} specifies no model") from error
    for name in ModelSpecification.model_fields:
        ours, theirs = getattr(specification, name), getattr(other, name)
        if ours != theirs:
            raise SavedModelError(
                f"{str(folder)!r} mixes two models: {name} is {ours!r} in {CONFIG_NAME}, "
                f"but {theirs!r} in {WEIGHTS_NAME}"
            )
