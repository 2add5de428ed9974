"""What networks answer on training samples, by which a flow is trained besides their weights."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.batch_norm import has_statistics
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.populations.unflattening import unflat

_ADVICE = "choose behaviour=0, which learns from weights alone"
LOOKED_AT = 256
"""Training networks, and samples, that tell how much losses vary."""
LEAST_SPREAD = 0.2
"""Where training networks are as good as one another, networks need not be equally so."""
LEAST_LOSS = 1e-3
"""Losses below count as this one, so that logarithms do not tell good networks apart."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Labelled samples, and what networks of several architectures do with them.

    Attributes:
        inputs: Samples that the training networks learnt from.
        labels: Their classes.
        functions: What networks do, by the digest of their architecture.
        imagined: Architectures of which no network was trained.
        spread: Deviation of the logarithms of losses among training networks of one architecture.
    """

    inputs: Shaped[Tensor, "samples ..."]
    labels: Int[Tensor, " samples"]
    functions: Mapping[str, Function]
    imagined: Sequence[Architecture] = ()
    spread: float = 1.0

    @classmethod
    def of(
        cls,
        train: Population,
        inputs: Shaped[Tensor, "samples ..."],
        labels: Int[Tensor, " samples"],
        imagined: Sequence[Function] = (),
    ) -> "Answers":
        """What these networks do, and others that are imagined.

        Args:
            train: Training networks.
            inputs: Samples.
            labels: Their classes.
            imagined: What networks do of which none was trained.

        Raises:
            GeneratorError: Networks of one architecture do several things, have batch norms, or do
                not take the samples.
        """
        functions: dict[str, Function] = {}
        present = [train.functions[number] for number in train.function.unique().tolist()]
        for function in [*present, *imagined]:
            name = function.architecture.name
            if has_statistics(function):
                raise GeneratorError(
                    f"networks {name!r} have batch norms, whose answers depend on running "
                    f"statistics; {_ADVICE}"
                )
            known = functions.setdefault(function.architecture.digest, function)
            if known.program != function.program:
                raise GeneratorError(
                    f"networks {name!r} have several activation functions; {_ADVICE}, or fit them "
                    "one by one"
                )
        kept = {digest: _evaluated(function) for digest, function in functions.items()}
        found = cls(inputs, labels, kept, [one.architecture for one in imagined])
        losses = [found._known(train.architectures[number], train.rows(number)[:LOOKED_AT])
                  for number in train.kind.unique().tolist()]  # fmt: skip
        variance = torch.stack([own.var(correction=0) for own in losses]).mean()
        return replace(found, spread=max(float(variance) ** 0.5, LEAST_SPREAD))

    @property
    def digest(self) -> str:
        """A hash of the samples."""
        parts = (self.inputs, self.labels)
        known = [f"{tuple(part.shape)}".encode() + part.numpy().tobytes() for part in parts]
        return hashlib.sha256(b" ".join(known)).hexdigest()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Answers":
        return self  # training changes nothing in it

    def chosen(self, count: int, *, drawn: bool) -> Int[Tensor, " chosen"]:
        """Numbers of so many samples; the first ones unless they are drawn."""
        count = min(count, len(self.inputs))
        return torch.randperm(len(self.inputs))[:count] if drawn else torch.arange(count)

    def log_losses(
        self,
        rows: Float[Tensor, "networks entries"],
        architecture: Architecture,
        chosen: Int[Tensor, " chosen"],
    ) -> Float[Tensor, " networks"]:
        """Logarithm of the mean cross-entropy of every network on these samples.

        Args:
            rows: Flattened states.
            architecture: What they have in common.
            chosen: Numbers of the samples.
        """
        module, inputs = self.functions[architecture.digest].module, self.inputs[chosen]
        state = unflat(rows, architecture)
        outputs = vmap(lambda own: functional_call(module, own, (inputs,)))(state)
        labels = self.labels[chosen].expand(len(rows), -1)
        losses = cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
        return losses.view(len(rows), -1).mean(1).clamp_min(LEAST_LOSS).log()

    def difference(
        self, made: Float[Tensor, " networks"], wanted: Float[Tensor, " networks"]
    ) -> Float[Tensor, " networks"]:
        """By how many deviations losses are larger than wanted ones.

        Args:
            made: Logarithms of losses.
            wanted: Those of training networks.
        """
        return (made - wanted) / self.spread

    @torch.no_grad()
    def _known(
        self, architecture: Architecture, rows: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, " networks"]:
        """Logarithms of losses of training networks, if they have any."""
        try:
            found = self.log_losses(rows, architecture, self.chosen(LOOKED_AT, drawn=False))
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise GeneratorError(
                f"networks {architecture.name!r} do not classify samples of shape "
                f"{tuple(self.inputs.shape[1:])} with classes up to {int(self.labels.max())}: "
                f"{reason}; give the data that they learnt from, or behaviour=0"
            ) from error
        if not bool(found.isfinite().all()):
            raise GeneratorError(
                f"networks {architecture.name!r} have losses that are not finite on the samples; "
                "leave them out"
            )
        return found


def _evaluated(function: Function) -> Function:
    """The same function, without what happens in training alone."""
    return Function(copy.deepcopy(function.module).eval(), function.inputs, function.architecture)
