"""What every representation is: fitted to networks once, it embeds and rebuilds others."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnncore.training import RaggedRows, TensorStore, fit, seeded
from graphwsl import __version__, arguments
from graphwsl.all_or_nothing import all_or_nothing
from graphwsl.errors import RepresentationError
from graphwsl.populations.fitted_to import FittedTo
from graphwsl.populations.loading import kinds_of_networks
from graphwsl.populations.population import Architecture, Population
from graphwsl.populations.symmetric_views import ViewBank
from graphwsl.representations.autoencoder import TERMS, Autoencoder, call_on_networks
from graphwsl.representations.checks import (
    require_finite,
    require_inputs,
    require_parts,
    stacked_latents,
)
from graphwsl.representations.kinds import Kinds
from graphwsl.representations.known import Known
from graphwsl.representations.objective import Terms, fingerprint
from graphwsl.representations.references import References
from graphwsl.representations.saved import write_saved
from graphwsl.representations.scales import LayerScales
from graphwsl.representations.settings import RepresentationSettings

BATCH = 256
"""Networks that are embedded together."""

LOOKED_AT = 256
"""Networks of an architecture, evenly from all, that initial weights follow from."""


class Representation(ABC):
    """An autoencoder of weights.

    Args:
        size: ``published`` or ``small``, which two cores train in minutes.
        seed: Seed of initial weights, batches and augmentations.
        **options: Settings in place of those of that size.

    Attributes:
        name: Its name in the registry.
        mixed: Whether it reads networks of several architectures.
        published: Settings of the publication.
        small: Settings for two cores.
        settings: Those that were chosen.
        module: What was learnt; None before a fit.
        history: A row an epoch; empty before a fit.
        report: What the fit found out, such as its seconds; plain JSON values.
        networks: Generating factors of the networks that it learnt from, as far as architectures
            depend on them; each combination once.
        fitted_to: Hashes by which those networks are known again; None before a fit, and of
            representations that were saved before it was kept.

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
        self.networks: list[dict[str, Any]] = []
        self.fitted_to: FittedTo | None = None
        self._scales: LayerScales | None = None
        self._references: References | None = None
        self._built: dict[str, Any] = {}
        self._known: dict[str, Known] = {}

    @abstractmethod
    def _build(self, train: Population | None, built: dict[str, Any]) -> Autoencoder:
        """The module; what its shape depends on is put into ``built``, or (without networks) read
        from there."""

    @all_or_nothing
    def fit(
        self,
        train: Population,
        valid: Population,
        epochs: int | None = None,
        *,
        inputs: Tensor | None = None,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> "Representation":
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

        After any of them, or an interruption, the representation is what it was before.
        """
        if epochs is not None:
            arguments.whole("epochs", epochs, 1)
        self._check(train, valid, inputs)
        settings = self.settings
        self.networks = [*kinds_of_networks(train.checkpoints)]
        self.fitted_to = FittedTo.of(train, valid)
        self._scales = LayerScales.of(train) if settings.normalise == "layer" else None
        self._references = References.of(train) if settings.align else None
        self._known, self._built = {}, {}
        with seeded(self.seed):
            module = self._build(train, self._built)
        self.module = module
        train, valid = self.aligned(train), self.aligned(valid)
        self._draw_views(train)
        kinds = Kinds(self._know, by_function=settings.structure < 1)
        of_train, own = kinds.of(train), kinds.of(valid)
        module.known = kinds.known
        for number in train.kind.unique().tolist():
            members = (train.kind == number).nonzero()[:, 0]
            members = members[:: -(-len(members) // LOOKED_AT)]
            parts = {n: members[of_train[members] == n] for n in of_train[members].tolist()}
            rows = [
                torch.stack([train.states[m] for m in part.tolist()]) for part in parts.values()
            ]
            module.begin([kinds.known[n] for n in parts], rows, inputs)
        module.queries = inputs
        order = own.argsort(stable=True)
        valid, own = valid.select(order.tolist()), own[order]
        weights = (
            (1 - settings.contrast) * settings.structure,
            settings.contrast,
            (1 - settings.contrast) * (1 - settings.structure),
        )
        result = fit(
            module,
            TensorStore(x=RaggedRows.of(train.states), kind=of_train),
            TensorStore(x=RaggedRows.of(valid.states), kind=own),
            settings.training(self.seed, epochs),
            Terms(TERMS, weights, of=fingerprint(self.name, settings, inputs)),
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
        return self._encoded(population, lambda known, rows, latents: latents)

    def embed(
        self, population: Population, *, full: bool = False
    ) -> Float[Tensor, "networks features"]:
        """One vector a network: the mean of its latents (that of ``graph_autoencoder`` is
        :func:`graphwsl.representations.graph_pooling.pooled`), or all of them.

        Args:
            population: Networks.
            full: All latents one after the other, of networks of one architecture.

        Raises:
            RepresentationError: Not fitted, networks that it cannot read, or ``full`` for networks
                of several architectures.
        """
        arguments.instance("full", full, bool, "True or False", "leave it out for the mean")
        if not full:
            return torch.stack(self._encoded(population, self._pooled))
        latents = self.encode(population)
        if len({latent.shape for latent in latents}) > 1:
            raise RepresentationError(
                "the latents of networks of several architectures differ in number; set full=False"
            )
        return torch.stack([latent.flatten() for latent in latents])

    @torch.no_grad()
    def decode(
        self, latents: Tensor | Sequence[Tensor], architecture: Architecture
    ) -> Float[Tensor, "networks entries"]:
        """The flattened states of networks from their latents.

        Args:
            latents: What :meth:`encode` gives of networks of this architecture, each of shape
                ``(latents, channels)``, or the same in one tensor.
            architecture: That of all these networks.

        Raises:
            RepresentationError: Not fitted, an architecture that it cannot write, or latents of
                another shape, such as those of an embedding.
        """
        module = self._fitted()
        advice = "give one of population.architectures"
        arguments.instance("architecture", architecture, Architecture, "an Architecture", advice)
        known = self._know(architecture)
        wanted = module.encode(known, known.mean[None]).shape[1:]
        stacked = stacked_latents(latents, wanted)
        found = [module.decode(known, part) for part in stacked.split(BATCH)]
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
                rows = self.decode([latents[n] for n in members], architecture)
                for member, row in zip(members, rows, strict=True):
                    states[member] = row
        return replace(population, states=states)

    def save(self, folder: str | Path) -> None:
        """Write ``representation.json`` and ``representation.safetensors``.

        Raises:
            RepresentationError: Not fitted.
            StorageError: The disk is full, the folder read-only, and the like.
        """
        tensors = dict(self._fitted().state_dict())
        if self._references is not None:
            tensors |= self._references.tensors()
        config = {
            "code_version": __version__,
            "representation": self.name,
            "size": self.size,
            "seed": self.seed,
            "settings": self.settings.model_dump(),
            "scales": None if self._scales is None else self._scales.to_json(),
            "built": self._built,
            "history": self.history,
            "report": self.report,
            "networks": self.networks,
            "fitted_to": None if self.fitted_to is None else self.fitted_to.to_json(),
        }
        arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
        write_saved(arguments.as_path("folder", folder), config, arrays)

    @all_or_nothing
    def restore(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become the representation that was saved.

        Raises:
            RepresentationError: The file is not one of this method.
        """
        try:
            self.settings = self.settings.replaced(**config["settings"])
            self.size, self.seed = str(config["size"]), int(config["seed"])
            scales, self._built = config["scales"], dict(config["built"])
            self._scales = None if scales is None else LayerScales.from_json(scales)
            self.history, self.report = list(config["history"]), dict(config["report"])
            self.networks = [dict(network) for network in config.get("networks", [])]
            known = config.get("fitted_to")
            self.fitted_to = None if known is None else FittedTo.from_json(known)
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            self._references, self._known = References.pop(tensors), {}
            self.module = self._build(None, self._built).eval()
            self.module.load_state_dict(tensors)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise RepresentationError(
                f"this is no representation {self.name!r}: {reason}"
            ) from error

    @torch.no_grad()
    def _encoded(
        self, population: Population, use: Callable[[Known, Tensor, Tensor], Tensor]
    ) -> list[Tensor]:
        """What ``use`` makes of an architecture, rows of its networks and their latents, in order
        of the networks."""
        module = self._fitted()
        self._check_readable(population)
        population = self.aligned(population)
        found: list[Tensor] = [torch.empty(0)] * len(population)
        for number in population.kind.unique().tolist():
            known = self._know(population.architectures[number])
            members = (population.kind == number).nonzero()[:, 0]
            for part in members.split(BATCH):
                rows = torch.stack([population.states[n] for n in part.tolist()])
                used = use(known, rows, module.encode(known, rows))
                for member, own in zip(part.tolist(), used, strict=True):
                    found[member] = own
        return found

    def _pooled(self, known: Known, rows: Tensor, latents: Tensor) -> Tensor:
        """The vectors of networks of one architecture."""
        del known, rows
        return latents.mean(1)

    def _fitted(self) -> Autoencoder:
        if self.module is None:
            raise RepresentationError(f"{self.name!r} is not fitted; call fit first")
        return self.module

    def _check(self, train: Population, valid: Population, inputs: Tensor | None) -> None:
        require_parts(train, valid)
        for part in (train, valid):
            self._check_readable(part)
        if self.settings.structure < 1:
            require_inputs(self.name, self.settings.structure, train, inputs)

    def _check_readable(self, population: Population) -> None:
        require_finite(population)
        if not self.mixed and len(population.present) > 1:
            raise RepresentationError(
                f"{self.name!r} reads networks of one architecture, got {len(population.present)}; "
                "choose multi_zoo, behavioural or graph_autoencoder"
            )

    def aligned(self, population: Population) -> Population:
        """The networks as the method reads them: close to its references, where it aligns.

        Raises:
            RepresentationError: An architecture that was not learnt from.
        """
        if self._references is None:
            return population
        present = set(population.kind.unique().tolist())
        known = {n: self._know(population.architectures[n]) for n in sorted(present)}
        return self._references.aligned(population, known)

    def _know(self, architecture: Architecture) -> Known:
        """An architecture, prepared once."""
        known = self._known.get(architecture.digest)
        if known is None:
            known = self._known[architecture.digest] = Known.of(architecture, self._scales)
        return known

    def _draw_views(self, train: Population) -> None:
        """The elements by which networks of each architecture are moved in training."""
        if self.settings.views:
            for architecture in train.present:
                known, generator = self._know(architecture), torch.Generator()
                known.bank = ViewBank.draw(
                    known.group,
                    self.settings.views,
                    generator.manual_seed(self.seed),
                    scalings=False,
                    signs=False,
                )
