"""Numbers of networks brought to mean zero and deviation one, tensor by tensor, and back.

As published for recurrent diffusion (Wang et al., 2025): the mean and deviation of a tensor are
the means over the training networks of those of each, and running variances are taken as logarithms
first, so that they come back positive. Other than in the published code, a tensor that never varies
has the deviation 1, and what is no floating point is not taken from the first network: it is the
mean of all, rounded.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from graphwsl.populations.population import Architecture

_SHARE, _SHIFT, _LEAST = 0.95, 0.05, 0.001
"""Of running variances v with mean m: log(v / 0.95 m + 0.05), and back 0.95 m max(… , 0.001)."""

Rows = Float[Tensor, "networks entries"]


class TensorScales(nn.Module):
    """Means and deviations of the tensors of an architecture.

    Args:
        tensors: Tensors of a state.
        whole: Entries that are whole numbers, such as counters.

    Attributes:
        sizes: Entries of each tensor, shape ``(tensors,)``.
        is_floating: Which tensors are in floating point, shape ``(tensors,)``.
        mean: Mean of each, as a logarithm of running variances, shape ``(tensors,)``.
        deviation: Its standard deviation, shape ``(tensors,)``.
        variance: Mean of each tensor of running variances, 0 of others, shape ``(tensors,)``.
        counts: Entries that are whole numbers, shape ``(whole,)``.
    """

    sizes: Tensor
    is_floating: Tensor
    mean: Tensor
    deviation: Tensor
    variance: Tensor
    counts: Tensor

    def __init__(self, tensors: int, whole: int) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.zeros(tensors, dtype=torch.int64))
        self.register_buffer("is_floating", torch.ones(tensors, dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(tensors))
        self.register_buffer("deviation", torch.ones(tensors))
        self.register_buffer("variance", torch.zeros(tensors))
        self.register_buffer("counts", torch.zeros(whole))

    @classmethod
    def fit(cls, rows: Rows, architecture: Architecture) -> "TensorScales":
        """Means and deviations of training rows, which must be finite.

        Args:
            rows: Flattened states.
            architecture: That of all of them.
        """
        state = architecture.graph.state
        sizes = torch.tensor([tensor.numel() for tensor in state.values()])
        floating = torch.tensor([tensor.is_floating_point() for tensor in state.values()])
        made = cls(len(state), int(sizes[~floating].sum()))
        made.sizes, made.is_floating = sizes, floating
        for number, (name, values) in enumerate(
            zip(state, rows.double().split(sizes.tolist(), dim=1), strict=True)
        ):
            if not values.numel() or not floating[number]:
                continue
            if name.rpartition(".")[2] == "running_var":
                made.variance[number] = values.mean()
                values = (values / (_SHARE * values.mean()) + _SHIFT).log()
            made.mean[number] = values.mean()
            # A tensor of one number varies between networks alone.
            spread = float(values.std(dim=1, correction=0).mean() or values.std(correction=0))
            # What rounding leaves of equal numbers is no spread.
            if spread > 1e-6 * abs(float(made.mean[number])):
                made.deviation[number] = spread
        made.counts = rows.double().mean(dim=0)[~made.is_learnt].round().float()
        return made

    @property
    def is_learnt(self) -> Bool[Tensor, " entries"]:
        """Which entries are in floating point."""
        return self.is_floating.repeat_interleave(self.sizes)

    def normalise(self, rows: Rows) -> Rows:
        """Rows on the scale of the tensors; 0 for what is not learnt.

        Args:
            rows: Flattened states.
        """
        tensor = self._tensor
        variance = self.variance[tensor]
        ratio = rows / torch.where(variance > 0, _SHARE * variance, 1.0)
        values = torch.where(variance > 0, (ratio + _SHIFT).log(), rows)
        values = (values - self.mean[tensor]) / self.deviation[tensor]
        return torch.where(self.is_learnt, values, 0.0)

    def restore(self, rows: Rows) -> Rows:
        """The inverse of :meth:`normalise`, up to rounding; whole numbers are the usual ones.

        Args:
            rows: What :meth:`normalise` gives, or a generator on its scale.
        """
        tensor = self._tensor
        variance = self.variance[tensor]
        values = rows * self.deviation[tensor] + self.mean[tensor]
        ratio = (values.exp() - _SHIFT).clamp(min=_LEAST)
        values = torch.where(variance > 0, ratio * _SHARE * variance, values)
        values[:, ~self.is_learnt] = self.counts
        return values

    @property
    def _tensor(self) -> Int[Tensor, " entries"]:
        """The tensor of every entry."""
        return torch.arange(len(self.sizes), device=self.sizes.device).repeat_interleave(self.sizes)
