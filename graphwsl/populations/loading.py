"""Networks that a user names on the command line: zoos, files of networks or weights, modules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from graphwsl.errors import GraphwslError, ImportedModelError, PredictorError, ZooError
from graphwsl.imports.checkpoint import read_state_dict
from graphwsl.imports.loading import load_model
from graphwsl.populations.population import Function, Population
from graphwsl.zoo.architectures.registry import FACTORS, build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.layouts.registry import LAYOUTS, open_zoo

WEIGHTS = (".pt", ".pth", ".safetensors", ".npz")
"""Endings of files that hold weights alone."""

_OF_PARALLEL = "module."
"""What DataParallel puts before every name."""


@dataclass(frozen=True, eq=False)
class LoadedNetworks:
    """Networks and where each came from.

    Attributes:
        population: The networks.
        names: For each, the argument that named it.
        left_out: What was named and cannot be used, and why.
    """

    population: Population
    names: list[str]
    left_out: list[Problem]


@dataclass(frozen=True, eq=False)
class Homes:
    """Networks that a file of weights alone may belong to.

    Attributes:
        network: The one that the user named, as :func:`graphwsl.imports.load_model` takes it; None
            to look among the known ones.
        known: Generating factors of known networks, those that were learnt from; see
            :func:`kinds_of_networks`.
        entry: Where weights lie in files that hold more; see
            :func:`graphwsl.imports.read_state_dict`.
        by_activation: Whether it matters which activation a network has.
        advice: What to do where it is not known what weights belong to.
    """

    network: str | None = None
    known: Sequence[Mapping[str, Scalar]] = ()
    entry: str | None = None
    by_activation: bool = False
    advice: str = "say by --network what they belong to"
    _named: dict[str, Function] = field(default_factory=dict)

    def read(self, path: str) -> Population:
        """The network whose weights lie in a file.

        Raises:
            ImportedModelError: The file is damaged or unsafe, or fits no network.
            GraphwslError: The network cannot be traced, or the weights do not fit the one named.
        """
        state = read_state_dict(path, entry=self.entry)
        if all(name.startswith(_OF_PARALLEL) for name in state):
            state = {name.removeprefix(_OF_PARALLEL): tensor for name, tensor in state.items()}
        function = self._named_function() if self.network else self._fitting(path, state)
        return _alone(path, function.architecture.graph.flat(state, dtype=torch.float32), function)

    def _named_function(self) -> Function:
        assert self.network is not None
        if self.network not in self._named:
            self._named[self.network] = function_named(self.network)
        return self._named[self.network]

    def _fitting(self, path: str, state: Mapping[str, Tensor]) -> Function:
        shapes = {name: tensor.shape for name, tensor in state.items()}
        fitting: dict[tuple[Scalar, ...], Mapping[str, Scalar]] = {}
        for factors in self.known:
            try:
                fits = shapes_of(factors) == shapes
            except ZooError:  # registered in a module that was not imported
                continue
            if fits:
                activation = factors.get("activation") if self.by_activation else None
                fitting.setdefault((factors["architecture"], activation), factors)
        if not self.known:
            raise ImportedModelError(
                f"no architecture is known that the weights in {path!r} may be of; {self.advice}"
            )
        if not fitting:
            raise ImportedModelError(
                f"the weights in {path!r} are of none of the networks that were learnt from; "
                f"{self.advice}"
            )
        if len(fitting) > 1:
            found = ", ".join(" with ".join(map(str, filter(None, key))) for key in fitting)
            raise ImportedModelError(f"the weights in {path!r} may be of {found}; {self.advice}")
        (factors,) = fitting.values()
        name = str(factors["architecture"])
        return Function.of(
            build(name, factors).eval(), example_inputs({"in_channels": 1, **factors}), name
        )


def function_named(reference: str) -> Function:
    """What a network does that a user names.

    Args:
        reference: An ONNX file, or ``package.module:factory``, as
            :func:`graphwsl.imports.load_model` takes them.

    Raises:
        ImportedModelError: There is none.
        UnsupportedModelError: It cannot be traced.
    """
    module, inputs = load_model(reference)
    return Function.of(module.eval(), inputs, reference)


def kinds_of_networks(checkpoints: Sequence[Checkpoint]) -> list[dict[str, Scalar]]:
    """Generating factors that architectures depend on, each combination once.

    Args:
        checkpoints: Those that were learnt from; any that name no architecture are passed over.
    """
    found: dict[tuple[tuple[str, Scalar], ...], dict[str, Scalar]] = {}
    for checkpoint in checkpoints:
        factors = checkpoint.configuration
        if "architecture" in factors:
            known = {name: factors[name] for name in FACTORS if factors.get(name) is not None}
            found.setdefault(tuple(known.items()), known)
    return list(found.values())


def load_networks(
    references: Sequence[str],
    *,
    epochs: Sequence[int] | None = None,
    homes: Homes | None = None,
) -> LoadedNetworks:
    """All checkpoints of zoos, and single networks, as far as they can be used.

    Args:
        references: Folders of zoos of any layout, or of files of weights, which are then taken in
            order of their names; ONNX files, files of weights, or
            ``package.module:factory`` as :func:`graphwsl.imports.load_model` takes them.
        epochs: Only these epochs of zoos; None for all.
        homes: Networks that files of weights belong to.

    Raises:
        ZooError: A folder holds no zoo.
        PredictorError: No networks, none of these epochs, or none that can be used.
        StorageError: A file of a zoo is damaged.
    """
    parts: list[Population] = []
    names: list[str] = []
    left_out: list[Problem] = []
    for reference in [one for given in references for one in files_of(given)]:
        try:
            if Path(reference).is_dir():
                part, problems = _zoo(reference, epochs)
                left_out += [Problem(f"{reference}: {p.path}", p.reason) for p in problems]
            else:
                part = _network(reference, homes or Homes())
        except ZooError:
            raise
        except GraphwslError as error:
            left_out.append(Problem(reference, str(error)))
            continue
        parts.append(part)
        names += [reference] * len(part)
    if not parts and left_out:
        others = f"; and {len(left_out) - 1:,} more" if len(left_out) > 1 else ""
        raise PredictorError(f"{left_out[0].reason}{others}")
    return LoadedNetworks(Population.join(parts), names, left_out)


def files_of(reference: str) -> list[str]:
    """The files of weights of a folder that is no zoo, such as one of rebuilt networks.

    Args:
        reference: What a user names.

    Returns:
        The files by name; the reference itself where it is something else.
    """
    folder = Path(reference)
    if not folder.is_dir() or any(layout.recognises(folder) for layout in LAYOUTS.values()):
        return [reference]
    files = sorted(str(file) for file in folder.iterdir() if file.suffix in WEIGHTS)
    return files or [reference]


def _zoo(reference: str, epochs: Sequence[int] | None) -> tuple[Population, list[Problem]]:
    zoo = open_zoo(reference)
    kept = [c for c in zoo.checkpoints if not epochs or c.epoch in epochs]
    if not kept:
        problems = list(zoo.problems)
        if problems and not zoo.checkpoints:
            first = f"{problems[0].path}: {problems[0].reason}"
            raise PredictorError(f"{reference!r} has no checkpoint that can be used; {first}")
        raise PredictorError(f"{reference!r} has no checkpoints of the epochs {list(epochs or ())}")
    listed = list(zoo.problems)
    population, problems = Population.load_usable(zoo, kept)
    return population, [*listed, *problems]


def _network(reference: str, homes: Homes) -> Population:
    if reference.endswith(WEIGHTS):
        return homes.read(reference)
    function = function_named(reference)
    state = function.architecture.graph.flat(dtype=torch.float32)
    return _alone(reference, state, function)


def _alone(reference: str, state: Tensor, function: Function) -> Population:
    if not state.isfinite().all():
        raise PredictorError(f"the weights of {reference!r} are not finite in single precision")
    return Population.alike([Checkpoint(reference, None, {}, {})], [state], function)
