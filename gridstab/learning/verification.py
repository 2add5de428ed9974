"""Check the folders of trainings and of bare models."""

from pathlib import Path

from gnncore.errors import CheckpointError, SavedModelError
from gnncore.models import GraphModel
from gnncore.models.saved_model import seals_of
from gnncore.storage import MANIFEST_NAME, Manifest, StorageError
from gnncore.training.checkpoints import check_checkpoint
from gridstab.learning.training_folder import CHECKPOINT


def verify_training(path: Path) -> list[str]:
    """Every problem of a training folder, one line each; none where all is well."""
    try:
        if (path / MANIFEST_NAME).exists():
            return [problem.text for problem in Manifest.read(path).verify()]
        problems = ["unfinished: continue it with gridstab train --resume"]
        check_checkpoint(path / CHECKPOINT)
    except StorageError as error:
        return [str(error)]
    except CheckpointError as error:
        return [*problems, str(error)]
    return problems


def verify_model(path: Path) -> list[str]:
    """Every problem of the folder of a bare model, one line each; none where all is well."""
    try:
        GraphModel.from_pretrained(path)
    except SavedModelError as error:
        return [str(error)]
    if seals_of(path):
        return []
    return ["the weights can be read, but carry no checksum; the next save_pretrained adds one"]
