"""What generated networks do: a function of the training networks, or one that is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gnncore.memory import machine_memory
from gnncore.names import unknown
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.asked_factors import beyond_training, completed, require_learnt, shared
from graphwsl.generators.lora.base_layers import described, function_of
from graphwsl.populations.loading import kinds_of_networks
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.zoo.architectures.factors import OF_ALL
from graphwsl.zoo.architectures.registry import ARCHITECTURES, build, shapes_of
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.inputs import example_inputs

BYTES = 64
"""Memory that a number of a network needs at least until it is made: in its graph, its layout and
its flattened states."""

ADVICE = (
    "give one of population.functions, one of population.architectures, or generating factors "
    'such as {"architecture": "mlp", "width": 32}'
)


class Functions:
    """Functions that a generator knows, and others by their generating factors.

    Args:
        functions: Those of the training networks, as far as they are at hand.
        factors: Generating factors of the training networks, from which functions are built where
            they are not at hand.
    """

    def __init__(
        self, functions: Sequence[Function], factors: Sequence[Mapping[str, Scalar]]
    ) -> None:
        self.factors = [dict(known) for known in factors]
        self._functions = list(functions)
        self._built: dict[tuple[tuple[str, Scalar], ...], Function] = {}

    @classmethod
    def of(cls, train: Population) -> "Functions":
        """The functions of training networks."""
        present = [train.functions[number] for number in train.function.unique().tolist()]
        return cls(present, kinds_of_networks(train.checkpoints))

    @classmethod
    def from_json(cls, factors: Any, described: Any) -> "Functions":
        """The functions of training networks that were saved.

        Args:
            factors: Their generating factors, a table for each.
            described: What :meth:`described` gave.

        Raises:
            GeneratorError, LookupError, TypeError, ValueError: A table or a description is of no
                network.
        """
        for known in factors if isinstance(factors, list) else [None]:
            if not isinstance(known, dict) or not isinstance(known.get("architecture"), str):
                raise TypeError("networks are not described by their architecture")
            _require_plain(known)
        return cls([function_of(own, int(own["entries"]), str(own["name"])) for own in described],
                   factors)  # fmt: skip

    def described(self) -> list[dict[str, Any]]:
        """The functions as plain values, where generating factors do not say all of them.

        Returns:
            A description each; none where one has other layers than the common ones.
        """
        if self.factors and all(_is_registered(own) for own in self.factors):
            return []
        found = []
        for function in self._functions:
            own = described(function)
            if own is None:
                return []
            architecture = function.architecture
            found.append({**own, "name": architecture.name, "entries": architecture.num_entries})
        return found

    @property
    def known(self) -> list[Function]:
        """All functions of the training networks; those that are not at hand are built.

        Raises:
            ZooError: An architecture that is not registered.
        """
        return self._functions or [self._of_factors(known) for known in self.factors]

    def find(
        self, architecture: Function | Architecture | Mapping[str, Any] | None
    ) -> tuple[Function, dict[str, Scalar]]:
        """The function that is meant, and its generating factors, as far as they are known.

        Args:
            architecture: None for the only one of the training networks; generating factors take
                those that training networks of them share, or else all, for what they do not say.

        Raises:
            GeneratorError: There are several to choose from, or none that fits, or a factor that
                the architecture has not, or one that weights do not show (an activation, say) and
                that no training network has, or more numbers than memory holds.
            ZooError: Generating factors out of their bounds, or an architecture that nobody knows.
        """
        if isinstance(architecture, Function):
            return architecture, self._factors_of(architecture)
        if isinstance(architecture, Mapping):
            _require_plain(architecture)
            factors = {**shared(self.factors), **architecture}
            if "architecture" in factors:
                _require_known(factors["architecture"], architecture)
            factors = completed(architecture, self.factors)
            if "architecture" not in factors:
                raise GeneratorError(f"{dict(architecture)!r} names no architecture; {ADVICE}")
            _require_known(factors["architecture"], architecture)
            require_learnt(architecture, factors, self.factors, self._of_factors)
            return self._of_factors(factors), factors
        if architecture is not None and not isinstance(architecture, Architecture):
            raise GeneratorError(
                f"architecture cannot be {arguments.described(architecture)}; {ADVICE}"
            )
        if not self.known:
            raise GeneratorError(
                "a generator that was saved does not hold the code of the networks that it learnt "
                "from, unless all their layers are common ones; give "
                "architecture=Function.of(network, inputs, name)"
            )
        fitting = [
            function
            for function in self.known
            if architecture is None or function.architecture.digest == architecture.digest
        ]
        if len({function.program for function in fitting}) != 1:
            meant = "" if architecture is None else f" {architecture.name!r}"
            raise GeneratorError(
                f"{len(fitting)} functions of training networks fit{meant}, which one is meant? "
                f"{ADVICE}"
            )
        return fitting[0], self._factors_of(fitting[0])

    def beyond_training(
        self, architecture: Function | Architecture | Mapping[str, Any] | None
    ) -> str | None:
        """What no training network has of what is asked for, in a line; None where one has it.

        Args:
            architecture: What :meth:`find` found something for.
        """
        if isinstance(architecture, Mapping):
            return beyond_training(architecture, self.factors)
        if not isinstance(architecture, Function) or not self.known:
            return None
        if any(architecture.is_like(one) for one in self.known):
            return None
        return f"no training network computes what {architecture.architecture.name!r} does"

    def _of_factors(self, factors: Mapping[str, Scalar]) -> Function:
        key = tuple(sorted(factors.items()))
        if key not in self._built:
            name = str(factors["architecture"])
            _require_memory(name, sum(shape.numel() for shape in shapes_of(factors).values()))
            inputs = example_inputs({"in_channels": 1, **factors})
            self._built[key] = Function.of(build(name, factors).eval(), inputs, name)
        return self._built[key]

    def _factors_of(self, function: Function) -> dict[str, Scalar]:
        """Generating factors of a function; none where nobody knows."""
        for factors in filter(_is_registered, self.factors):
            own = self._of_factors(factors)
            if own.architecture.digest == function.architecture.digest and (
                own.program == function.program
            ):
                return dict(factors)
        return {}


def _require_plain(factors: Mapping[Any, Any]) -> None:
    """Refuse names and values that no generating factor has."""
    for name, value in factors.items():
        if not isinstance(name, str):
            raise GeneratorError(f"factors have names, got {arguments.described(name)}; {ADVICE}")
        if hasattr(value, "item") and getattr(value, "shape", None) == ():
            continue
        if value is not None and not isinstance(value, str | int | float):
            raise GeneratorError(
                f"factor {name!r} must be a number, text, true or false, got "
                f"{arguments.described(value)}"
            )


def _is_registered(factors: Mapping[str, Scalar]) -> bool:
    return factors["architecture"] in ARCHITECTURES


def _require_known(architecture: Any, names: Iterable[str]) -> None:
    """Refuse a factor that an architecture does not read, and would be without effect."""
    known = [*OF_ALL, *ARCHITECTURES.find(architecture).factors]
    for name in names:
        if name not in known:
            raise GeneratorError(unknown("factor", name, known, "the factors are"))


def _require_memory(architecture: str, numbers: int) -> None:
    """Refuse a network that memory cannot hold, before it is built."""
    there = machine_memory()
    if there is not None and numbers * BYTES > there:
        raise GeneratorError(
            f"networks {architecture!r} of {numbers:,} numbers need more than "
            f"{numbers * BYTES / 1e9:,.0f} GB to be made, and there are {there / 1e9:,.0f} GB; ask "
            "for smaller ones"
        )
