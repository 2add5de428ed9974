"""What the core's loop trains: a module that gives each network the terms of its loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.training import RaggedRows, TensorBatch
from graphwsl.generators.conditions import Codes
from graphwsl.populations.population import Architecture

Rows = Float[Tensor, "networks entries"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Training or held-out networks of one architecture.

    Attributes:
        architecture: What they have in common.
        rows: Their flattened states.
        codes: Their conditions, without channels where there is none.
        numbers: Which training network each is, from 0; -1 of networks that are held out.
    """

    architecture: Architecture
    rows: Rows
    codes: Codes
    numbers: Int[Tensor, " networks"]


class Architectures(list[Architecture]):
    """Architectures, which copies of a module have in common; training changes nothing in them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Architectures":
        return self


class GeneratorModule(nn.Module, ABC):
    """What a generator has learnt.

    Attributes:
        names: Names of the terms of the loss; the sum of all is what falls.
        architectures: Those of the networks in training, by the number of their kind.
    """

    names: ClassVar[tuple[str, ...]] = ("flow",)

    def __init__(self) -> None:
        super().__init__()
        self.architectures = Architectures()

    @property
    def select_by(self) -> str:
        """The term of the loss on held-out networks that chooses the epoch; ``loss`` is all."""
        return "loss"

    @abstractmethod
    def terms(self, batch: Batch) -> Float[Tensor, "networks terms"]:
        """The terms of the loss. In evaluation the same networks must have the same terms, for
        they choose the epoch: noise is then drawn from a generator of a fixed seed."""

    def forward(
        self,
        states: RaggedRows,
        kind: Int[Tensor, " networks"],
        codes: Codes,
        numbers: Int[Tensor, " networks"],
    ) -> Float[Tensor, "networks terms"]:
        """The terms of networks of any of the architectures."""
        rows, found, order = states.rows(), [], []
        for number in kind.unique().tolist():
            members = (kind == number).nonzero()[:, 0]
            own = torch.stack([rows[n] for n in members.tolist()])
            batch = Batch(self.architectures[number], own, codes[members], numbers[members])
            found.append(self.terms(batch))
            order.append(members)
        return torch.cat(found)[torch.cat(order).argsort()]


def call_on_networks(module: nn.Module, batch: TensorBatch) -> Tensor:
    """The terms for a batch of networks; the forward pass of the loop."""
    return module(batch.x, batch.kind, batch.codes, batch.numbers)
