"""Numbers of networks brought to mean zero and deviation one, tensor by tensor, and back.

As published for recurrent diffusion (Wang et al., 2025): the mean and deviation of a tensor are
the means over the training networks of those of each, and running variances are taken as logarithms
first, so that they come back positive. Other than in the published code, a tensor that never varies
has the deviation 1, and counters are no numbers of the first network: they are the rounded mean.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.populations.population import Architecture

_SHARE, _SHIFT, _LEAST = 0.95, 0.05, 0.001
"""Of running variances v with mean m: log(v / 0.95 m + 0.05), and back 0.95 m max(… , 0.001)."""

Rows = Float[Tensor, "networks entries"]


@dataclass(frozen=True, eq=False)
class TensorScales:
    """Means and deviations of the tensors of an architecture; make one with :meth:`fit`.

    Attributes:
        mean: Mean of each tensor, as a logarithm of running variances, shape ``(tensors,)``.
        deviation: Its standard deviation, shape ``(tensors,)``.
        variance: Mean of each tensor of running variances, 0 of others, shape ``(tensors,)``.
        typical: Mean of every entry over the training networks, rounded where it is a whole
            number, shape ``(entries,)``.
        tensor: The tensor of each entry, shape ``(entries,)``.
        is_learnt: Which entries are in floating point; others are ``typical`` when they come back,
            shape ``(entries,)``.
    """

    mean: Float[Tensor, " tensors"]
    deviation: Float[Tensor, " tensors"]
    variance: Float[Tensor, " tensors"]
    typical: Float[Tensor, " entries"]
    tensor: Int[Tensor, " entries"]
    is_learnt: Bool[Tensor, " entries"]

    @classmethod
    def fit(cls, rows: Rows, architecture: Architecture) -> "TensorScales":
        """Means and deviations of training rows, which must be finite."""
        tensor, is_learnt = _tensors(architecture)
        names = list(architecture.graph.state)
        typical = rows.double().mean(dim=0)
        typical = torch.where(is_learnt, typical, typical.round())
        mean, deviation = torch.zeros(len(names)), torch.ones(len(names))
        variance = torch.zeros(len(names))
        for number, name in enumerate(names):
            values = rows[:, tensor == number].double()
            if name.rpartition(".")[2] == "running_var" and values.numel():
                variance[number] = values.mean()
                values = (values / (_SHARE * variance[number]) + _SHIFT).log()
            if values.numel():
                mean[number] = values.mean()
                spread = float(values.std(dim=1, correction=0).mean())
                # A tensor of one number varies between networks alone.
                spread = spread or float(values.std(correction=0))
                # What rounding leaves of equal numbers is no spread.
                deviation[number] = spread if spread > 1e-6 * abs(float(mean[number])) else 1.0
        return cls(mean, deviation, variance, typical.float(), tensor, is_learnt)

    def normalise(self, rows: Rows) -> Rows:
        """Rows on the scale of the tensors; 0 for what is not learnt."""
        variance = self.variance[self.tensor].to(rows)
        is_variance = variance > 0
        ratio = rows / torch.where(is_variance, _SHARE * variance, 1.0)
        values = torch.where(is_variance, (ratio + _SHIFT).log(), rows)
        values = (values - self.mean[self.tensor]) / self.deviation[self.tensor]
        return torch.where(self.is_learnt, values, 0.0)

    def restore(self, rows: Rows) -> Rows:
        """The inverse of :meth:`normalise`, up to rounding; counters are the typical ones."""
        variance = self.variance[self.tensor].to(rows)
        values = rows * self.deviation[self.tensor] + self.mean[self.tensor]
        ratio = (values.exp() - _SHIFT).clamp(min=_LEAST)
        values = torch.where(variance > 0, ratio * _SHARE * variance, values)
        return torch.where(self.is_learnt, values, self.typical)

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`of` needs besides the architecture."""
        return {name: getattr(self, name) for name in ("mean", "deviation", "variance", "typical")}

    @classmethod
    def of(cls, architecture: Architecture, tensors: dict[str, Tensor]) -> "TensorScales":
        """The inverse of :meth:`tensors`."""
        return cls(**tensors, **dict(zip(("tensor", "is_learnt"), _tensors(architecture), strict=True)))


def _tensors(
    architecture: Architecture,
) -> tuple[Int[Tensor, " entries"], Bool[Tensor, " entries"]]:
    """The tensor of every entry, and whether it is in floating point."""
    state = architecture.graph.state.values()
    sizes = torch.tensor([tensor.numel() for tensor in state])
    floating = torch.tensor([tensor.is_floating_point() for tensor in state])
    return torch.arange(len(sizes)).repeat_interleave(sizes), floating.repeat_interleave(sizes)
