"""What every predictor is: fitted to a zoo once, it predicts for any other, and keeps on disk.

The configuration carries a seal: a checksum over itself and over the arrays beside it.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from gnncore.storage import (
    MANIFEST_NAME,
    Manifest,
    Owner,
    check_seal,
    load_tensors,
    make_folder,
    read_json,
    refuse_links,
    save_tensors,
    seal_of,
    write_json,
)
from gnncore.storage.json_files import to_json
from graphwsl import __version__, arguments
from graphwsl.errors import PredictorError
from graphwsl.populations.fitted_to import FittedTo
from graphwsl.populations.loading import kinds_of_networks
from graphwsl.populations.population import Population, as_population
from graphwsl.populations.splits import Split
from graphwsl.populations.targets import Target
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.zoo import Zoo

CONFIG, ARRAYS, REQUEST = "predictor.json", "predictor.safetensors", "training.json"
KIND = "graphwsl.predictor"
_FORMAT = 2
_FORMAT_WITHOUT_SEAL = 1

Arrays = dict[str, np.ndarray]


class Predictor(ABC):
    """Predicts a property of networks from their weights alone.

    Subclasses define ``defaults`` and the four methods below that are not public.

    Args:
        options: What it takes in place of its defaults.

    Attributes:
        name: Its name in the registry.
        invariant: Whether predictions do not depend on the order of hidden neurons.
        mixed: Whether it reads networks of several architectures.
        runs: Whether it runs networks, so that their activation functions matter.
        target: What it was fitted to predict; None before.
        networks: Generating factors of the networks that it was fitted to, as far as architectures
            depend on them; each combination once.
        fitted_to: Hashes by which those networks are known again; None before, and of predictors
            that were saved before it was kept.
        report: What the fit found out, such as its epochs and seconds; plain JSON values.

    Raises:
        PredictorError: An option that it does not have.
    """

    name: ClassVar[str]
    invariant: ClassVar[bool]
    mixed: ClassVar[bool]
    runs: ClassVar[bool] = False
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        for option in options:
            if option not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise PredictorError(
                    f"predictor {self.name!r} has no option {option!r}; its options are {known}"
                )
        self.options = {**self.defaults, **options}
        self.target: Target | None = None
        self.split: Split | None = None
        self.seed = 0
        self.work: Path | None = None
        self.networks: list[dict[str, Any]] = []
        self.fitted_to: FittedTo | None = None
        self.report: dict[str, Any] = {}

    @property
    def num_parameters(self) -> int:
        """Number of fitted numbers; 0 where that is not meaningful."""
        return 0

    def check(self, population: Population, split: Split, target: Target) -> None:
        """Refuse what cannot be fitted, as :meth:`fit` does before it begins.

        Args:
            population: All networks.
            split: Which networks are of which part.
            target: What to predict.

        Raises:
            PredictorError: The target, the split or the networks do not suit.
        """
        del split, target
        if not self.mixed:
            population.require_one(self.name)

    def fit(
        self,
        zoo: Zoo | Population,
        split: Split,
        target: Target | str,
        seed: int = 0,
        *,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> "Predictor":
        """Fit to the training part of a zoo, with settings chosen on the validation part.

        Args:
            zoo: Networks; a :class:`Population` has its weights in memory already. Checkpoints of
                a zoo that cannot be used are left out.
            split: Which networks are of which part; the test part is not looked at.
            target: What to predict.
            seed: Seed of initial weights and batches.
            work: Folder for the state between two epochs, from which the same fit goes on after
                having been stopped; None keeps nothing.
            progress: Show the progress on stderr.

        Raises:
            PredictorError: The target or the zoo does not suit.
            TrainingError: The training diverged.
            CheckpointError: ``work`` holds the state of another fit.
        """
        advice = "give what split_models(checkpoints) returns"
        arguments.instance("split", split, Split, "a Split", advice)
        arguments.whole("seed", seed, 0, 2**32 - 1)
        population = zoo if isinstance(zoo, Population) else Population.load_usable(zoo)[0]
        if not isinstance(target, Target):
            arguments.text("target", target)
            target = Target.of(target, population.checkpoints)
        self.check(population, split, target)
        train, valid = (
            population.select(split.numbers(part, population.checkpoints))
            for part in ("train", "valid")
        )
        self.target, self.split, self.seed = target, split, seed
        self.networks = kinds_of_networks(train.checkpoints)
        self.fitted_to = FittedTo.of(train, valid)
        self.work = None if work is None else Path(work)
        labels = target.values(train.checkpoints), target.values(valid.checkpoints)
        self._fit(train, labels[0], valid, labels[1], progress)
        return self

    def predict(
        self, zoo: Zoo | Population, checkpoints: Sequence[Checkpoint] | None = None
    ) -> Float[Tensor, " checkpoints"]:
        """A number a checkpoint, or for categorical targets the index of its class.

        Args:
            zoo: Networks.
            checkpoints: Which of them; None for all.

        Raises:
            PredictorError: Not fitted, or networks that it cannot read.
        """
        if self.target is None:
            raise PredictorError(f"predictor {self.name!r} is not fitted; call fit first")
        output = self._predict(as_population(zoo, checkpoints))
        return output.argmax(1).float() if self.target.is_categorical else output[:, 0]

    def save(self, folder: str | Path, *, request: str | None = None) -> None:
        """Write ``predictor.json`` and ``predictor.safetensors``.

        Args:
            folder: Made if it is missing.
            request: A hash of what was asked for, by which a training knows its own result.

        Raises:
            PredictorError: Not fitted.
            StorageError: The disk is full, the folder read-only, and the like.
        """
        if self.target is None or self.split is None:
            raise PredictorError(f"predictor {self.name!r} is not fitted; call fit first")
        folder = Path(folder)
        make_folder(folder)
        arrays, state = self._state()
        config = {
            "kind": KIND,
            "format": _FORMAT,
            "code_version": __version__,
            "request": request,
            "predictor": self.name,
            "options": self.options,
            "target": asdict(self.target),
            "split": asdict(self.split),
            "seed": self.seed,
            "networks": self.networks,
            "fitted_to": None if self.fitted_to is None else self.fitted_to.to_json(),
            "report": self.report,
            "state": state,
        }
        save_tensors(folder / ARRAYS, arrays)
        write_json(folder / CONFIG, {**config, "seal": seal_of(_owner(config), arrays)})

    def restore(self, config: dict[str, Any], arrays: Arrays) -> None:
        """Become the predictor that was saved.

        Raises:
            PredictorError: The file is not one of this predictor.
        """
        try:
            target, split = config["target"], config["split"]
            classes = target["classes"]
            self.target = Target(target["name"], None if classes is None else tuple(classes))
            self.split = Split(**{part: tuple(models) for part, models in split.items()})
            self.seed, self.report = int(config["seed"]), dict(config["report"])
            self.networks = [dict(network) for network in config.get("networks", [])]
            known = config.get("fitted_to")
            self.fitted_to = None if known is None else FittedTo.from_json(known)
            self._restore(arrays, config["state"])
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise PredictorError(f"this is no predictor {self.name!r}: {reason}") from error

    @abstractmethod
    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        """Fit to labels; classes come as their indices."""

    @abstractmethod
    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        """One column for numbers, a score for each class for classes."""

    @abstractmethod
    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        """What was fitted: arrays, and plain JSON values."""

    @abstractmethod
    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        """The inverse of :meth:`_state`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(target={self.target.name if self.target else None!r})"


@dataclass(frozen=True)
class SavedPredictor:
    """What a folder holds: the configuration and the arrays."""

    config: dict[str, Any]
    arrays: Arrays

    @classmethod
    def read(cls, folder: Path, *, by_manifest: bool = True) -> "SavedPredictor":
        """The files in a folder, once it is known that they hold what was fitted.

        Args:
            folder: The folder.
            by_manifest: Whether they must also be those of the manifest, where there is one.

        Raises:
            PredictorError: There is no predictor, or none whose training is complete.
            StorageError: A file is damaged, or the two are of different predictors.
        """
        config_path, path = folder / CONFIG, folder / ARRAYS
        if not config_path.is_file():
            raise PredictorError(
                f"{str(folder)!r} holds no predictor; give a folder that graphwsl train made"
            )
        complete = by_manifest and (folder / MANIFEST_NAME).exists()
        if complete:
            Manifest.read(folder).require(CONFIG, ARRAYS)
        refuse_links(folder, CONFIG, ARRAYS)
        config = read_json(config_path)
        known = (_FORMAT, _FORMAT_WITHOUT_SEAL)
        if (
            not isinstance(config, dict)
            or config.get("kind") != KIND
            or config.get("format") not in known
        ):
            raise PredictorError(f"{str(folder)!r} holds no predictor of this version")
        arrays = load_tensors(path, require_finite=True)
        if config["format"] != _FORMAT_WITHOUT_SEAL:
            seal = config.pop("seal", None)
            check_seal(path, seal if isinstance(seal, str) else None, _owner(config), arrays)
        elif not complete and (folder / REQUEST).exists():
            raise PredictorError(
                f"{str(folder)!r} holds a training that is not complete; continue it with "
                "graphwsl train --resume"
            )
        return cls(config, arrays)


def _owner(config: dict[str, Any]) -> Owner:
    return {"configuration": hashlib.sha256(to_json(config).encode()).hexdigest()}


Factory = Callable[..., Predictor]
