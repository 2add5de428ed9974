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
from graphwsl.generators.known_data_sets import Labelled
from graphwsl.generators.latent.batch_norm import has_statistics
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.populations.unflattening import unflat

_ADVICE = "choose behaviour=0, which learns from weights alone"
LOOKED_AT = 256
"""Training networks, and samples, that tell how much losses vary."""
LEAST_SPREAD = 0.2, 0.05
"""Of each measure. Where training networks are equally good, those that are made need not be."""
LEAST_LOSS = 1e-3
"""Losses below count as this one, so that logarithms do not tell good networks apart."""
SHARPNESS = 4.0
"""By how much outputs of unit size are enlarged before their softmax tells the soft error."""
LEAST_OUTPUT = 1e-12
Measures = Float[Tensor, "networks 2"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Labelled samples, and what networks of several architectures do with them.

    Attributes:
        inputs: Samples that the training networks learnt from.
        labels: Their classes.
        functions: What networks do, by the digest of their architecture.
        imagined: Architectures of which no network was trained.
        spread: Deviation of every measure among training networks of one architecture.
    """

    inputs: Shaped[Tensor, "samples ..."]
    labels: Int[Tensor, " samples"]
    functions: Mapping[str, Function]
    imagined: Sequence[Architecture] = ()
    spread: tuple[float, ...] = (1.0, 1.0)

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
            GeneratorError: Networks of one architecture do several things, have batch norms, do not
                take the samples, or have less outputs than there are classes.
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
        for function in kept.values():
            found._require_classes(function)
        losses = [found._known(train.architectures[number], train.rows(number)[:LOOKED_AT])
                  for number in train.kind.unique().tolist()]  # fmt: skip
        variance = torch.stack([own.var(0, correction=0) for own in losses]).mean(0).tolist()
        spread = (max(v**0.5, least) for v, least in zip(variance, LEAST_SPREAD, strict=True))
        return replace(found, spread=tuple(spread))

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

    def measures(
        self,
        rows: Float[Tensor, "networks entries"],
        architecture: Architecture,
        chosen: Int[Tensor, " chosen"],
    ) -> Measures:
        """How much every network is wrong on these samples: the logarithm of its mean
        cross-entropy, and its soft error, which does not depend on how large its outputs are.

        Args:
            rows: Flattened states.
            architecture: What they have in common.
            chosen: Numbers of the samples.
        """
        module = self.functions[architecture.digest].module
        inputs = self.inputs[chosen].to(rows.device)
        state = unflat(rows, architecture)
        outputs = vmap(lambda own: functional_call(module, own, (inputs,)))(state)
        labels = self.labels[chosen].to(rows.device).expand(len(rows), -1)
        losses = cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
        losses = losses.view(len(rows), -1).mean(1).clamp_min(LEAST_LOSS).log()
        centred = outputs - outputs.mean(2, keepdim=True)
        size = centred.square().mean((1, 2), keepdim=True).clamp_min(LEAST_OUTPUT).sqrt()
        sharp = (SHARPNESS * centred / size).softmax(2).take_along_dim(labels[:, :, None], 2)
        return torch.stack([losses, 1 - sharp.mean((1, 2))], dim=1)

    def difference(self, made: Measures, wanted: Measures) -> Measures:
        """By how many deviations networks are more wrong than wanted.

        Args:
            made: Measures of networks that were made.
            wanted: Those of training networks.
        """
        return (made - wanted) / made.new_tensor(self.spread)

    @torch.no_grad()
    def _known(
        self, architecture: Architecture, rows: Float[Tensor, "networks entries"]
    ) -> Measures:
        """Measures of training networks, if they have any."""
        try:
            found = self.measures(rows, architecture, self.chosen(LOOKED_AT, drawn=False))
        except Exception as error:
            raise self._unfit(architecture, error) from error
        if not bool(found.isfinite().all()):
            raise GeneratorError(
                f"networks {architecture.name!r} have losses that are not finite on the samples; "
                "leave them out"
            )
        return found

    @torch.no_grad()
    def _require_classes(self, function: Function) -> None:
        """Refuse classes, of whichever sample, for which a network has no output."""
        architecture, last = function.architecture, int(self.labels.max())
        try:
            outputs = function.module(self.inputs[:1]).shape[1]
        except Exception as error:
            raise self._unfit(architecture, error) from error
        if last >= outputs:
            raise GeneratorError(
                f"networks {architecture.name!r} have {outputs} outputs, and data classes up to "
                f"{last}, from 0; give the data that they learnt from, or behaviour=0"
            )

    def _unfit(self, architecture: Architecture, error: Exception) -> GeneratorError:
        """What is said of networks that cannot read the samples."""
        reason = str(error).partition("\n")[0]
        return GeneratorError(
            f"networks {architecture.name!r} do not classify samples of shape "
            f"{tuple(self.inputs.shape[1:])}: {reason}; give the data that they learnt from, or "
            "behaviour=0"
        )


def readable(inputs: Shaped[Tensor, "samples ..."], labels: Shaped[Tensor, " samples"]) -> Labelled:
    """Samples as networks take them, in single precision where they are no whole numbers, and
    classes as a loss takes them.

    Args:
        inputs: Samples.
        labels: Their classes.
    """
    inputs = inputs.detach().cpu()
    return inputs.float() if inputs.is_floating_point() else inputs, labels.detach().cpu().long()


def _evaluated(function: Function) -> Function:
    """The same function, without what happens in training alone."""
    return Function(copy.deepcopy(function.module).eval(), function.inputs, function.architecture)
