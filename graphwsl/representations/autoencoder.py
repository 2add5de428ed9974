"""What the core's loop trains: a module that gives the terms of the loss, a network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.training import RaggedRows, TensorBatch
from graphwsl.representations.behaviour import difference
from graphwsl.representations.known import Known
from graphwsl.representations.settings import RepresentationSettings

Rows = Float[Tensor, "networks entries"]
TERMS = ("structure", "contrast", "behaviour")


class Autoencoder(nn.Module, ABC):
    """Encoder and decoder of networks of the architectures that it knows.

    Args:
        settings: Which terms count, and how networks are augmented.

    Attributes:
        known: The architectures, by number; one for each function where behaviour counts.
        queries: Unlabelled inputs that networks are run on.
    """

    def __init__(self, settings: RepresentationSettings) -> None:
        super().__init__()
        self.settings = settings
        self.known: Mapping[int, Known] = {}
        self.queries: Tensor | None = None

    @abstractmethod
    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """The terms :data:`TERMS` of networks of one architecture."""

    @abstractmethod
    def encode(self, known: Known, rows: Rows) -> Float[Tensor, "networks latents channels"]:
        """Latents of whole networks."""

    @abstractmethod
    def decode(self, known: Known, latents: Float[Tensor, "networks latents channels"]) -> Rows:
        """Whole networks from latents."""

    def begin(self, known: Sequence[Known], rows: Sequence[Rows], inputs: Tensor | None) -> None:
        """Initial weights that follow from training networks of one architecture; none here.

        Args:
            known: The architecture, once for each function where behaviour counts.
            rows: Training networks of each.
            inputs: Samples on which behaviour is compared, where it is.
        """

    def forward(
        self, states: RaggedRows, kind: Int[Tensor, " networks"]
    ) -> Float[Tensor, "networks terms"]:
        """The terms of the loss for networks of any of the architectures."""
        rows, found, order = states.rows(), [], []
        for number in kind.unique().tolist():
            members = (kind == number).nonzero()[:, 0]
            order.append(members)
            found.append(
                self.terms(self.known[number], torch.stack([rows[n] for n in members.tolist()]))
            )
        return torch.cat(found)[torch.cat(order).argsort()]

    def views(self, known: Known, rows: Rows) -> Rows:
        """Networks as they are shown in training: moved by a symmetry of their own."""
        if not self.training or known.bank is None:
            return rows
        return known.bank.views(rows.cpu()).to(rows.device)

    def noisy(self, values: Tensor) -> Tensor:
        """Numbers multiplied with noise around 1, in training."""
        if not self.training or not self.settings.noise:
            return values
        return values * (1 + self.settings.noise * torch.randn_like(values))

    def behaviour(self, known: Known, rebuilt: Rows, rows: Rows) -> Float[Tensor, " networks"]:
        """How far rebuilt networks behave from the original ones, on some of the queries."""
        if known.behaviour is None or self.queries is None or self.settings.structure == 1:
            return rows.new_zeros(len(rows))
        count = min(self.settings.queries, len(self.queries))
        chosen = torch.arange(count)
        if self.training:
            chosen = torch.randint(len(self.queries), (count,))
        inputs = self.queries[chosen].to(rows.device)
        with torch.no_grad():
            target = known.behaviour.outputs(rows, inputs)
        outputs = known.behaviour.outputs(rebuilt, inputs)
        return difference(outputs, target, self.settings.behaviour_kind)


def call_on_networks(module: nn.Module, batch: TensorBatch) -> Tensor:
    """The terms for a batch of networks; the forward pass of the loop."""
    return module(batch.x, batch.kind)
