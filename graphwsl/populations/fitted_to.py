"""Which networks a model was fitted to, so that no other network is taken for one of them.

Networks are known by their weights: a name says nothing, since networks of another zoo may have it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from graphwsl.populations.population import LAYOUT, Architecture, Population

_DIGITS = 16
"""Hexadecimal digits of a hash: 64 bits, equal by chance in hardly any two of a billion."""


@dataclass(frozen=True)
class FittedTo:
    """Hashes of what a predictor or representation was fitted to.

    Attributes:
        train: Hashes of the weights of each checkpoint that it was trained on.
        valid: Hashes of those that chose its settings or epoch.
        architectures: Hashes of the architectures that it was trained on, names of parameters
            aside.
    """

    train: frozenset[str]
    valid: frozenset[str]
    architectures: frozenset[str]

    @classmethod
    def of(cls, train: Population, valid: Population) -> "FittedTo":
        """The hashes of the networks of the two parts."""
        return cls(
            frozenset(map(_of_weights, train.states)),
            frozenset(map(_of_weights, valid.states)),
            frozenset(map(_of_architecture, train.present)),
        )

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> "FittedTo":
        """The inverse of :meth:`to_json`."""
        return cls(*(frozenset(map(str, known[name])) for name in cls.__dataclass_fields__))

    def to_json(self) -> dict[str, list[str]]:
        """Plain values, in an order of their own."""
        return {name: sorted(hashes) for name, hashes in vars(self).items()}

    def parts(self, population: Population, names: Sequence[str]) -> list[str | None]:
        """For each checkpoint ``train``, ``valid``, or None where it was fitted to neither.

        Epochs that were left out of the fit belong to the network all the same, if an epoch of it
        is there that was not.

        Args:
            population: The networks.
            names: Where each comes from: models of one name from two zoos are two networks.
        """
        own = [self._part(state) for state in population.states]
        networks = [
            (name, checkpoint.model, checkpoint.epoch)
            for name, checkpoint in zip(names, population.checkpoints, strict=True)
        ]
        # How a network began may be how another one did, which is of another part perhaps.
        known = {
            (name, model): part
            for (name, model, epoch), part in zip(networks, own, strict=True)
            if part is not None and epoch
        }
        return [
            part or known.get((name, model))
            for (name, model, _), part in zip(networks, own, strict=True)
        ]

    def knows(self, architecture: Architecture) -> bool:
        """Whether an architecture is one of those that it was trained on."""
        return _of_architecture(architecture) in self.architectures

    def is_known(self, population: Population) -> list[bool]:
        """For each checkpoint, whether its architecture is one of those that it was trained on."""
        known = {
            kind: _of_architecture(population.architectures[kind]) in self.architectures
            for kind in population.kind.unique().tolist()
        }
        return [known[kind] for kind in population.kind.tolist()]

    def _part(self, state: Float[Tensor, " entries"]) -> str | None:
        own = _of_weights(state)
        return "train" if own in self.train else "valid" if own in self.valid else None


def _of_weights(state: Float[Tensor, " entries"]) -> str:
    values = state.float().contiguous().numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()[:_DIGITS]


def _of_architecture(architecture: Architecture) -> str:
    digest = hashlib.sha256(str(architecture.num_entries).encode())
    for name in LAYOUT:
        digest.update(getattr(architecture.graph.layout, name).contiguous().numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]
