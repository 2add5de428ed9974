"""What every generator is: fitted to a population once, it makes others.

A method is a file with a class of :class:`Generator` and one row in
:mod:`graphwsl.generators.registry` (outside the package ``@GENERATORS.register("name")``). The
class has a ``name``, the settings ``published`` and ``small``, and says

- in ``_build`` what is learnt: a :class:`~graphwsl.generators.module.GeneratorModule`, which gives
  every network the terms of its loss. Whatever its shape depends on is put into ``built``, plain
  values, and read from there where it is loaded; all else that sampling needs is a buffer or
  parameter of it,
- in ``_draw`` how it makes flattened states.

Training, resuming, conditions, batch norms, files and commands are the same for all methods and
need nothing more. Where training networks are read in another frame than their own (aligned, say),
``_prepared`` moves them; where held-out networks have no loss, ``_store`` gives others; where a zoo
knows more of its networks than they say, ``read`` adds it.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from gnncore.training import RaggedRows, TensorStore, fit, seeded
from graphwsl import __version__, arguments
from graphwsl.all_or_nothing import all_or_nothing
from graphwsl.errors import GeneratorError
from graphwsl.generators.checks import least_networks, parts_of, require_finite
from graphwsl.generators.conditions import Codes, Condition, Conditions, Names
from graphwsl.generators.data_set_conditions import DescribedConditions
from graphwsl.generators.fit_arguments import with_arguments_of_its_own
from graphwsl.generators.functions import Functions
from graphwsl.generators.latent.batch_norm import condition_batch_norm, has_statistics
from graphwsl.generators.made import population_of
from graphwsl.generators.module import Architectures, GeneratorModule, Rows, call_on_networks
from graphwsl.generators.saved import GENERATOR
from graphwsl.generators.settings import GeneratorSettings
from graphwsl.populations.fitted_to import FittedTo
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.representations.objective import Terms
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.zoo import Zoo

Made = TypeVar("Made", bound="Generator")

PART = 256
"""Networks that are made at once."""

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading values of other types or sizes than were written may raise."""


class Generator(ABC):
    """Networks from nothing but a population.

    Args:
        size: ``published`` or ``small``, which two cores train in minutes.
        seed: Seed of initial weights, batches and noise in training.
        **options: Settings in place of those of that size.

    Attributes:
        name: Its name in the registry.
        mixed: Whether it learns from networks of several architectures.
        sizes: Whether it makes networks of architectures that it did not learn from.
        makes_statistics: Whether it makes the running statistics of batch norms.
        least: Networks that it must be fitted to.
        conditions_of: What reads conditions.
        together: Factors in which networks agree that must not be learnt from and judged by; None
            for those on which it depends how they begin.
        published: Settings of the publication.
        small: Settings for two cores.
        settings: Those that were chosen.
        module: What was learnt; None before a fit.
        conditions: What networks can be asked for.
        history: A row an epoch; empty before a fit.
        report: What the fit found out; plain values.
        fitted_to: Hashes by which the networks are known again that it learnt from.

    Raises:
        GeneratorError: An unknown size or option.
    """

    name: ClassVar[str]
    mixed: ClassVar[bool] = False
    sizes: ClassVar[bool] = False
    makes_statistics: ClassVar[bool] = False
    least: ClassVar[int] = 2
    conditions_of: ClassVar[type[Conditions]] = DescribedConditions
    together: ClassVar[tuple[str, ...] | None] = None
    published: ClassVar[GeneratorSettings]
    small: ClassVar[GeneratorSettings]

    module: GeneratorModule | None = None

    def __init__(self, size: str = "small", seed: int = 0, **options: Any) -> None:
        if size not in ("published", "small"):
            raise GeneratorError(f"unknown size {size!r}; choose published or small")
        arguments.whole("seed", seed, 0, 2**32 - 1)
        self.settings = getattr(self, size).replaced(**options)
        self.size, self.seed = size, seed
        self.history: list[dict[str, Any]] = []
        self.report: dict[str, Any] = {}
        self.conditions: Conditions = self.conditions_of()
        self.fitted_to: FittedTo | None = None
        self._functions = Functions([], [])
        self._built: dict[str, Any] = {}

    @abstractmethod
    def _build(self, train: Population | None, built: dict[str, Any]) -> GeneratorModule:
        """The module; what its shape depends on is put into ``built``, or (without networks) read
        from there."""

    @abstractmethod
    def _draw(
        self,
        count: int,
        architecture: Architecture,
        codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:
        """Flattened states of so many networks, whose conditions are given; all random numbers are
        drawn from the generator, on the CPU."""

    def read(self, population: Population, zoo: Zoo) -> Population:
        """Networks of a zoo with all that the method has to know of them.

        Args:
            population: Some of its networks.
            zoo: The zoo.
        """
        del zoo
        return population

    @with_arguments_of_its_own
    @all_or_nothing
    def fit(
        self: Made,
        population: Population,
        condition: Names | None = None,
        epochs: int | None = None,
        *,
        valid: Population | None = None,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> Made:
        """Learn from networks; the epoch that is best on others is kept, as ``select_by`` says.

        Args:
            population: Networks to learn from.
            condition: Properties by which networks can be asked for afterwards, such as
                ``test_accuracy``, a generating factor, the data set by its samples
                (:class:`~graphwsl.generators.data_sets.DataSets`), or several of them.
            epochs: Passes over the networks; those of the settings by default.
            valid: Networks that choose the epoch; by default a share of the population, which is
                then not learnt from (``held_out`` of the settings).
            work: Folder for the state between two epochs, from which the same fit goes on.
            progress: Show the progress on stderr.

        Raises:
            GeneratorError: Networks that the method cannot learn from, too few, or not finite; a
                condition that they do not have; an argument that only other methods take, such as
                ``data``.
            TrainingError: The training diverged.
            CheckpointError: ``work`` holds the state of another fit.

        After any of them, or an interruption, the generator is what it was before.
        """
        if epochs is not None:
            arguments.whole("epochs", epochs, 1)
        train, valid = parts_of(population, valid, self.settings.held_out, self.seed)
        least_networks(self.name, train, self.least)
        for part in (train, valid):
            require_finite(part)
            self._check(part)
        self.conditions = self.conditions_of.of(condition, train.checkpoints)
        self.fitted_to = FittedTo.of(train, valid)
        self._functions = Functions.of(train)
        self._built = {}
        train, valid = self._prepared(train, learnt=True), self._prepared(valid, learnt=False)
        with seeded(self.seed):
            module = self._build(train, self._built)
        self.module = module
        present = {a.digest: a for a in train.present + valid.present}
        module.architectures = Architectures(present.values())
        result = fit(
            module,
            self._store(train, learnt=True),
            self._store(valid, learnt=False),
            self.settings.training(self.seed, epochs),
            Terms(
                module.names,
                (1.0,) * len(module.names),
                of=self._identity(),
                select_by=module.select_by,
            ),
            None if work is None else Path(work),
            forward=call_on_networks,
            resume=work is not None,
            progress=progress,
        )
        module.to("cpu").eval()
        self.history = list(result.history)
        self.report = {
            "networks": len(train),
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "loss": result.best_metrics["loss"],
            "networks_per_second": result.samples_per_second,
            "parameters": sum(parameter.numel() for parameter in module.parameters()),
        }
        return self

    @torch.no_grad()
    def sample(
        self,
        count: int,
        architecture: Function | Architecture | Mapping[str, Any] | None = None,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        *,
        inputs: Any = None,
    ) -> Population:
        """New networks, made from noise alone.

        Args:
            count: How many.
            architecture: What they do: a function or architecture of the training networks, or
                generating factors, where methods make other sizes too. None for the only one.
            condition: A value for each property that was learnt, or a sequence with one for each
                network; of a data set its name, or a pair of samples and their classes. What is
                not asked for is as in a training network that is drawn.
            generator: Source of randomness.
            inputs: Samples without labels, on which batch norms are conditioned (see
                :func:`graphwsl.generators.latent.condition_batch_norm`). Running statistics are
                never those of training networks; without inputs they are made, by the methods that
                do so.

        Raises:
            GeneratorError: Not fitted, an architecture that it cannot make or that is not the only
                one, a condition that was not learnt; batch norms without inputs, of a method that
                does not make running statistics.
        """
        arguments.whole("count", count, 1)
        arguments.generator("generator", generator)
        self._fitted().eval()
        function, factors = self._functions.find(architecture)
        self._check_makes(function.architecture)
        needs_inputs = has_statistics(function) and not self.makes_statistics
        if needs_inputs and inputs is None:
            raise GeneratorError(
                f"networks {function.architecture.name!r} have batch norms, whose running "
                f"statistics {self.name!r} does not make; give inputs=, samples without labels"
            )
        codes, asked = self.conditions.asked(condition, count, generator)
        parts = [
            self._draw(len(some), function.architecture, some, generator)
            for some in codes.split(PART)
        ]
        known = [{**factors, **{f"asked_{n}": v for n, v in row.items()}} for row in asked]
        rows = torch.cat(parts)
        if lost := int((~rows.isfinite().all(1)).sum()):
            warnings.warn(
                f"{lost:,} of {count:,} networks have numbers that are not finite; train longer, "
                "or give inputs= where batch norms can be conditioned",
                stacklevel=2,
            )
        made = population_of(rows, function, self.name, known)
        if has_statistics(function) and inputs is not None:
            made = condition_batch_norm(made, inputs)
        return made

    @property
    def functions(self) -> list[Function]:
        """What the training networks do, as far as it is known after loading.

        Raises:
            ZooError: An architecture that is not registered.
        """
        return self._functions.known

    @property
    def factors(self) -> list[dict[str, Scalar]]:
        """Generating factors of what the training networks do, each combination once."""
        return [dict(known) for known in self._functions.factors]

    def function(
        self, architecture: Function | Architecture | Mapping[str, Any] | None = None
    ) -> Function:
        """What networks that are asked for do.

        Args:
            architecture: As :meth:`sample` takes it.

        Raises:
            GeneratorError: As there.
            ZooError: Generating factors out of their bounds.
        """
        return self._functions.find(architecture)[0]

    def beyond_training(
        self, architecture: Function | Architecture | Mapping[str, Any] | None
    ) -> str | None:
        """What no training network has of the networks that are asked for, in a line.

        Args:
            architecture: As :meth:`sample` took it.

        Returns:
            ``no training network has width 32``, say; None where one has it all, or nobody knows.
        """
        return self._functions.beyond_training(architecture)

    def save(self, folder: str | Path) -> None:
        """Write ``generator.json`` and ``generator.safetensors``.

        Args:
            folder: Made if it is missing.

        Raises:
            GeneratorError: Not fitted.
            StorageError: The disk is full, the folder read-only, and the like.
        """
        tensors = self._fitted().state_dict()
        config = {
            "code_version": __version__,
            "generator": self.name,
            "size": self.size,
            "seed": self.seed,
            "settings": self.settings.model_dump(),
            "built": self._built,
            "conditions": self.conditions.to_json(),
            "networks": self._functions.factors,
            "functions": self._functions.described(),
            "history": self.history,
            "report": self.report,
            "fitted_to": None if self.fitted_to is None else self.fitted_to.to_json(),
        }
        arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
        GENERATOR.write(arguments.as_path("folder", folder), config, arrays)

    @all_or_nothing
    def restore(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become the generator that was saved.

        Args:
            config: Its configuration.
            arrays: Its tensors.

        Raises:
            GeneratorError: The file is not one of this method.
        """
        try:
            self.settings = self.settings.replaced(**config["settings"])
            self.size, self.seed = str(config["size"]), int(config["seed"])
            self._built = dict(config["built"])
            self.conditions = self.conditions_of.from_json(config["conditions"])
            # Older files know nothing of functions.
            functions = config.get("functions", [])
            self._functions = Functions.from_json(config["networks"], functions)
            self.history, self.report = list(config["history"]), dict(config["report"])
            known = config["fitted_to"]
            self.fitted_to = None if known is None else FittedTo.from_json(known)
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            self.module = self._build(None, self._built).eval()
            self.module.load_state_dict(tensors)
        except UNREADABLE as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise GeneratorError(f"this is no generator {self.name!r}: {reason}") from error

    def _prepared(self, population: Population, *, learnt: bool) -> Population:
        """The networks as the method reads them; ``learnt`` of those that it learns from, which
        come first."""
        del learnt
        return population

    def _store(self, population: Population, *, learnt: bool) -> TensorStore:
        """What the loop trains on, or (not ``learnt``) chooses the epoch by."""
        digests = [a.digest for a in self._fitted().architectures]
        kinds = [digests.index(a.digest) if a.digest in digests else -1
                 for a in population.architectures]  # fmt: skip
        count, kind = len(population), torch.tensor(kinds)[population.kind]
        store = TensorStore(
            x=RaggedRows.of(population.states),
            kind=kind,
            codes=self.conditions.of_checkpoints(population.checkpoints),
            numbers=torch.arange(count) if learnt else torch.full((count,), -1),
        )
        return store if learnt else store.select(kind.argsort(stable=True))

    def _check(self, population: Population) -> None:
        """Refuse networks that the method cannot learn from."""
        if not self.mixed and len(population.present) > 1:
            raise GeneratorError(
                f"{self.name!r} learns from networks of one architecture, got "
                f"{len(population.present)}; choose equivariant_flow"
            )

    def _check_makes(self, architecture: Architecture) -> None:
        """Refuse an architecture that the method cannot make."""
        if self.sizes or (self.fitted_to is not None and self.fitted_to.knows(architecture)):
            return
        known = {function.architecture.digest for function in self._functions.known}
        if architecture.digest not in known:
            raise GeneratorError(
                f"{self.name!r} makes networks of the architectures that it learnt from, and "
                f"{architecture.name!r} with {architecture.num_entries:,} numbers is none of them; "
                "choose equivariant_flow"
            )

    def _identity(self) -> str:
        """What the loss depends on besides networks and weights."""
        settings = self.settings.model_dump_json(exclude={"device"})
        return f"{self.name} {settings} {self.conditions.names}"

    def _fitted(self) -> GeneratorModule:
        if self.module is None:
            raise GeneratorError(f"{self.name!r} is not fitted; call fit first")
        return self.module
