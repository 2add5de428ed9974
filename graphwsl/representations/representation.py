"""What every representation is: fitted to networks once, it embeds and rebuilds others."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnncore.storage import (
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
from gnncore.training import RaggedRows, TensorStore, fit, seeded
from graphwsl import __version__, arguments
from graphwsl.errors import RepresentationError
from graphwsl.populations.normalisation import LayerNormaliser
from graphwsl.populations.population import Architecture, Population
from graphwsl.populations.symmetric_views import ViewBank
from graphwsl.representations.autoencoder import TERMS, Autoencoder, call_on_networks
from graphwsl.representations.behaviour import Behaviour
from graphwsl.representations.known import Known
from graphwsl.representations.objective import Terms
from graphwsl.representations.settings import RepresentationSettings

CONFIG, ARRAYS = "representation.json", "representation.safetensors"
KIND = "graphwsl.representation"
BATCH = 256
"""Networks that are embedded together."""


class Representation(ABC):
    """An autoencoder of weights.

    Args:
        size: ``published`` or ``small``, which two cores train in minutes.
        seed: Of initial weights, batches and augmentations.
        **options: In place of settings of that size.

    Attributes:
        name: In the registry.
        mixed: Whether it reads networks of several architectures.
        published: Settings of the publication.
        small: Settings for two cores.
        settings: Those that were chosen.
        history: A row an epoch; empty before a fit.
        report: What the fit found out, such as its seconds; plain JSON values.

    Raises:
        RepresentationError: An unknown size or option.
    """

    name: ClassVar[str]
    mixed: ClassVar[bool]
    published: ClassVar[RepresentationSettings]
    small: ClassVar[RepresentationSettings]

    module: Autoencoder | None = None

    def __init__(self, size: str = "small", seed: int = 0, **options: Any) -> None:
        if size not in ("published", "small"):
            raise RepresentationError(f"unknown size {size!r}; choose published or small")
        arguments.whole("seed", seed, 0, 2**32 - 1)
        self.settings = getattr(self, size).replaced(**options)
        self.size, self.seed = size, seed
        self.history: list[dict[str, Any]] = []
        self.report: dict[str, Any] = {}
        self._scales: dict[str, list[float]] | None = None
        self._built: dict[str, Any] = {}
        self._reference: Tensor | None = None
        self._known: dict[str, Known] = {}

    @abstractmethod
    def _build(self, train: Population | None, built: dict[str, Any]) -> Autoencoder:
        """The module; what its shape depends on is put into ``built``, or (without networks) read
        from there."""

    def fit(
        self,
        train: Population,
        valid: Population,
        epochs: int | None = None,
        *,
        inputs: Tensor | None = None,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn from networks; the epoch with the least error on others is kept.

        Args:
            train: Networks to learn from.
            valid: Networks that choose the epoch.
            epochs: Passes over the networks; those of the settings by default.
            inputs: Unlabelled samples on which behaviour is compared; needed where it counts.
            work: Folder for the state between two epochs, from which the same fit goes on.
            progress: Show the progress on stderr.

        Raises:
            RepresentationError: Networks that the method cannot read, or that are not finite; no
                inputs where behaviour counts.
            TrainingError: The training diverged.
            CheckpointError: ``work`` holds the state of another fit.
        """
        self._check(train, valid, inputs)
        settings = self.settings
        self._scales = _scales(train) if settings.normalise == "layer" else None
        self._known = {}
        if settings.align:
            # Whoever is closest to the mean, rather than whoever comes first.
            rows = train.matrix(self.name)
            self._reference = rows[(rows - rows.mean(0)).square().sum(1).argmin()].clone()
        self._built = {}
        with seeded(self.seed):
            module = self._build(train, self._built)
        self.module = module
        train, valid = self._aligned(train), self._aligned(valid)
        module.known = self._know(train.architectures, train)
        module.queries = inputs
        kinds = {a.digest: n for n, a in enumerate(train.architectures)}
        other = torch.tensor([kinds[a.digest] for a in valid.architectures])[valid.kind]
        order = other.argsort(stable=True)
        valid, other = valid.select(order.tolist()), other[order]
        weights = (
            (1 - settings.contrast) * settings.structure,
            settings.contrast,
            (1 - settings.contrast) * (1 - settings.structure),
        )
        result = fit(
            module,
            TensorStore(x=RaggedRows.of(train.states), kind=train.kind),
            TensorStore(x=RaggedRows.of(valid.states), kind=other),
            settings.training(self.seed, epochs),
            Terms(TERMS, weights),
            None if work is None else Path(work),
            forward=call_on_networks,
            resume=work is not None,
            progress=progress,
        )
        module.to("cpu").eval()
        module.queries = None
        self.history = list(result.history)
        self.report = {
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "networks_per_second": result.samples_per_second,
            "parameters": sum(parameter.numel() for parameter in module.parameters()),
        }
        return self

    @torch.no_grad()
    def encode(self, population: Population) -> list[Float[Tensor, "latents channels"]]:
        """The latents of every network, in order.

        Raises:
            RepresentationError: Not fitted, or networks that it cannot read.
        """
        module = self._fitted()
        self._check_readable(population)
        population = self._aligned(population)
        found: list[Tensor] = [torch.empty(0)] * len(population)
        for number, known in enumerate(self._know(population.architectures)):
            members = (population.kind == number).nonzero()[:, 0]
            for part in members.split(BATCH):
                rows = torch.stack([population.states[n] for n in part.tolist()])
                for member, latent in zip(part.tolist(), module.encode(known, rows), strict=True):
                    found[member] = latent
        return found

    def embed(
        self, population: Population, *, full: bool = False
    ) -> Float[Tensor, "networks features"]:
        """One vector a network: the mean of its latents, or all of them.

        Args:
            population: Networks.
            full: All latents one after the other, of networks of one architecture.

        Raises:
            RepresentationError: Not fitted, networks that it cannot read, or ``full`` for networks
                of several architectures.
        """
        latents = self.encode(population)
        if not full:
            return torch.stack([latent.mean(0) for latent in latents])
        if len({latent.shape for latent in latents}) > 1:
            raise RepresentationError(
                "the latents of networks of several architectures differ in number; set full=False"
            )
        return torch.stack([latent.flatten() for latent in latents])

    @torch.no_grad()
    def decode(
        self, latents: Float[Tensor, "networks latents channels"], architecture: Architecture
    ) -> Float[Tensor, "networks entries"]:
        """The flattened states of networks from their latents.

        Raises:
            RepresentationError: Not fitted, or an architecture that it cannot write.
        """
        module = self._fitted()
        (known,) = self._know([architecture])
        found = [module.decode(known, part) for part in latents.split(BATCH)]
        empty = torch.zeros(0, architecture.num_entries)
        return torch.cat([empty, *found])

    def reconstruct(self, population: Population) -> Population:
        """The networks as they come back, in the same order.

        Raises:
            RepresentationError: As :meth:`encode`.
        """
        latents = self.encode(population)
        states = list(population.states)
        for number, architecture in enumerate(population.architectures):
            members = (population.kind == number).nonzero()[:, 0].tolist()
            if members:
                rows = self.decode(torch.stack([latents[n] for n in members]), architecture)
                for member, row in zip(members, rows, strict=True):
                    states[member] = row
        return replace(population, states=states)

    def save(self, folder: str | Path) -> None:
        """Write ``representation.json`` and ``representation.safetensors``.

        Raises:
            RepresentationError: Not fitted.
            StorageError: The disk is full, the folder read-only, and the like.
        """
        module, folder = self._fitted(), arguments.as_path("folder", folder)
        make_folder(folder)
        arrays = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        if self._reference is not None:
            arrays["reference"] = self._reference.numpy()
        config = {
            "kind": KIND,
            "code_version": __version__,
            "representation": self.name,
            "size": self.size,
            "seed": self.seed,
            "settings": self.settings.model_dump(),
            "scales": self._scales,
            "built": self._built,
            "history": self.history,
            "report": self.report,
        }
        save_tensors(folder / ARRAYS, arrays)
        write_json(folder / CONFIG, {**config, "seal": seal_of(_owner(config), arrays)})

    def restore(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become the representation that was saved.

        Raises:
            RepresentationError: The file is not one of this method.
        """
        try:
            self.settings = self.settings.replaced(**config["settings"])
            self.size, self.seed = str(config["size"]), int(config["seed"])
            self._scales, self._built = config["scales"], dict(config["built"])
            self.history, self.report = list(config["history"]), dict(config["report"])
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            self._reference = tensors.pop("reference", None)
            self.module = self._build(None, self._built).eval()
            self.module.load_state_dict(tensors)
        except (LookupError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise RepresentationError(
                f"this is no representation {self.name!r}: {reason}"
            ) from error

    def _fitted(self) -> Autoencoder:
        if self.module is None:
            raise RepresentationError(f"{self.name!r} is not fitted; call fit first")
        return self.module

    def _check(self, train: Population, valid: Population, inputs: Tensor | None) -> None:
        for name, part in (("training", train), ("validation", valid)):
            arguments.instance(name, part, Population, "a Population", "give Population.load(zoo)")
            self._check_readable(part)
        if len(train) < 2 or not len(valid):
            raise RepresentationError(
                f"a representation is learnt from two networks at least and validated on one, got "
                f"{len(train)} and {len(valid)}"
            )
        strange = {a.digest for a in valid.present} - {a.digest for a in train.present}
        if strange:
            raise RepresentationError(
                "the validation networks have an architecture that none of the training networks "
                "has; split the networks anew"
            )
        if self.settings.structure < 1 and inputs is None:
            raise RepresentationError(
                f"{self.name!r} compares what networks do (structure={self.settings.structure:g}); "
                "give inputs, samples without labels, or set structure=1"
            )

    def _check_readable(self, population: Population) -> None:
        if not len(population):
            raise RepresentationError("there are no networks; give at least one")
        if not self.mixed and len(population.present) > 1:
            raise RepresentationError(
                f"{self.name!r} reads networks of one architecture, got {len(population.present)}; "
                "choose multi_zoo, hub or graph_autoencoder"
            )
        for checkpoint, state in zip(population.checkpoints, population.states, strict=True):
            if not bool(state.isfinite().all()):
                raise RepresentationError(
                    f"weights of {checkpoint.model}, epoch {checkpoint.epoch}, are not finite; "
                    "leave the network out"
                )

    def _aligned(self, population: Population) -> Population:
        """The networks permuted to be close to the reference, where the method asks for it."""
        if self._reference is None:
            return population
        from graphwsl.alignment.reference_alignment import align_to

        (architecture,) = population.present
        if architecture.num_entries != len(self._reference):
            raise RepresentationError(
                f"{self.name!r} aligns networks to one of {len(self._reference):,} numbers, "
                f"{architecture.name!r} has {architecture.num_entries:,}"
            )
        (known,) = self._know([architecture])
        rows = align_to(known.group, torch.stack(population.states), self._reference)
        return replace(population, states=list(rows.unbind()))

    def _know(
        self, architectures: Sequence[Architecture], train: Population | None = None
    ) -> list[Known]:
        """Architectures, prepared once; with training networks, for training."""
        found = []
        for number, architecture in enumerate(architectures):
            known = self._known.get(architecture.digest)
            if known is None:
                known = Known.of(architecture, self._scales)
                self._known[architecture.digest] = known
            if train is not None:
                self._prepare(known, train, number)
            found.append(known)
        return found

    def _prepare(self, known: Known, train: Population, kind: int) -> None:
        settings = self.settings
        if settings.views:
            generator = torch.Generator().manual_seed(self.seed)
            known.bank = ViewBank.draw(
                known.group, settings.views, generator, scalings=False, signs=False
            )
        if settings.structure < 1:
            functions = train.function[train.kind == kind].unique().tolist()
            if len(functions) > 1:
                raise RepresentationError(
                    f"networks {known.architecture.name!r} differ in their activation functions; "
                    "behaviour is compared among networks of one function an architecture"
                )
            known.behaviour = Behaviour(train.functions[functions[0]])


def read_saved(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The configuration and arrays in a folder, once their seal is checked.

    Raises:
        RepresentationError: There is no representation.
        StorageError: A file is damaged, or the two are of different representations.
    """
    folder = arguments.as_path("folder", folder)
    if not (folder / CONFIG).is_file():
        raise RepresentationError(
            f"{str(folder)!r} holds no representation; give a folder that Representation.save or "
            "graphwsl represent train wrote"
        )
    refuse_links(folder, CONFIG, ARRAYS)
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise RepresentationError(f"{str(folder)!r} holds no representation of this version")
    arrays = load_tensors(folder / ARRAYS, require_finite=True)
    seal = config.pop("seal", None)
    check_seal(folder / ARRAYS, seal if isinstance(seal, str) else None, _owner(config), arrays)
    return config, arrays


def _owner(config: dict[str, Any]) -> dict[str, str]:
    return {"configuration": hashlib.sha256(to_json(config).encode()).hexdigest()}


def _scales(train: Population) -> dict[str, list[float]]:
    """Means and deviations of the layers, over the training networks of one depth."""
    means, deviations = [], []
    for number, architecture in enumerate(train.architectures):
        members = (train.kind == number).nonzero()[:, 0].tolist()
        if members:
            fitted = LayerNormaliser.fit(train.rows(number), architecture)
            means.append(fitted.mean)
            deviations.append(fitted.deviation)
    if len({len(mean) for mean in means}) > 1:
        raise RepresentationError(
            "networks of several depths have no common scales of layers; set normalise to token, "
            "batch or none"
        )
    return {
        "mean": torch.stack(means).mean(0).tolist(),
        "deviation": torch.stack(deviations).square().mean(0).sqrt().tolist(),
    }
