"""Networks of a user's own as a zoo, to be measured like one.

Those of one program count as seeds of each other, between which similarity and ways are measured.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from graphwsl.errors import LandscapeError, StateMismatchError, ZooError
from graphwsl.imports.checkpoint import read_state_dict
from graphwsl.imports.loading import load_model
from graphwsl.populations.loading import WEIGHTS
from graphwsl.populations.programs import program_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.data_set import DataSet


class OwnNetworks:
    """Networks with the samples that they take.

    Args:
        networks: Each network and a sample, or a batch of them, by its name.

    Raises:
        LandscapeError: There are none, or one takes other inputs than one tensor.
        GraphwslError: A network cannot be traced.
    """

    def __init__(self, networks: Mapping[str, tuple[nn.Module, Any]]) -> None:
        if not networks:
            raise LandscapeError("there are no networks to measure; give at least one")
        self._networks: dict[str, tuple[nn.Module, Tensor]] = {}
        self.checkpoints: Sequence[Checkpoint] = []
        self.problems: Sequence[Problem] = []
        seen: dict[str, list[str]] = {}
        for name, (module, inputs) in networks.items():
            if isinstance(inputs, tuple) and len(inputs) == 1:
                (inputs,) = inputs
            if not isinstance(inputs, Tensor):
                raise LandscapeError(
                    f"{name!r} takes {type(inputs).__name__}, and a landscape is measured on "
                    "samples that are one tensor each; wrap it in a module that takes one"
                )
            module = module.eval()
            self._networks[name] = module, inputs[:1]
            alike = seen.setdefault(program_of(module, inputs[:1]), [])
            number = list(seen.values()).index(alike)
            kind = type(module).__name__ + (f" {number + 1}" if number else "")
            factors: dict[str, Scalar] = {"architecture": kind, "seed": len(alike)}
            alike.append(name)
            self.checkpoints = [*self.checkpoints, Checkpoint(name, None, factors, {})]
        self.most_alike = max(map(len, seen.values()))

    @classmethod
    def load(cls, references: Sequence[str], network: str | None = None) -> "OwnNetworks":
        """Networks that a user names.

        Args:
            references: ``package.module:factory`` or ONNX files, as
                :func:`graphwsl.imports.load_model` takes them, and files of weights.
            network: What files of weights belong to, named likewise.

        Raises:
            LandscapeError: A name is given twice, or it is not said what weights belong to.
            ImportedModelError: A file is missing, damaged or unsafe, or a factory gives no network.
            StateMismatchError: Weights do not fit the network.
            GraphwslError: A network cannot be traced.
        """
        found: dict[str, tuple[nn.Module, Any]] = {}
        for reference in references:
            if reference in found:
                raise LandscapeError(f"{reference!r} is given twice; give each network once")
            is_weights = reference.endswith(WEIGHTS)
            if is_weights and network is None:
                raise LandscapeError(
                    f"{reference!r} holds weights alone; say by --network what they belong to, "
                    "as module:factory or an ONNX file"
                )
            module, inputs = load_model(network if is_weights and network else reference)
            found[reference] = (_with(module, reference) if is_weights else module), inputs
        return cls(found)

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """The tensors of the network that a name stands for."""
        return dict(self.module(checkpoint).state_dict())

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """The module that a name stands for, with its weights."""
        return self._networks[checkpoint.model][0]

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """One sample that the network of a name takes."""
        return self._networks[checkpoint.model][1]

    def images(self) -> DataSet:
        """Refuses: nobody knows what these networks were trained on.

        Raises:
            ZooError: Always.
        """
        raise ZooError(
            "what networks of one's own are measured on must be said: give --data, as digits or an "
            ".npz file"
        )

    def verify(self) -> Sequence[Problem]:
        """Nothing is on disk that could be damaged."""
        return self.problems


def _with(module: nn.Module, path: str) -> nn.Module:
    module = copy.deepcopy(module)
    try:
        module.load_state_dict(read_state_dict(Path(path)))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise StateMismatchError(f"the weights in {path!r} do not fit: {reason}") from error
    return module
