"""The neural functional of the ``nfn`` package, as its authors use it, under our protocol."""

from itertools import pairwise
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.properties.network_predictor import NetworkPredictor
from graphwsl.properties.predictors.nfn import NFNPredictor, OnChain


class PublishedNFN(OnChain):
    """Three equivariant layers (HNP), pooling, and a perceptron.

    Zhou et al., "Permutation Equivariant Neural Functionals", 2023. Every layer of the networks is
    in units of its size, as in their study of accuracies. Positions of a flattened feature map are
    positions of a kernel to it.

    Args:
        shapes: Neurons, inputs and positions of every layer.
        channels: Of the hidden features.
        hidden_channels: Of the perceptron.
        out_channels: Predictions a network.
    """

    def __init__(
        self, shapes: list[list[int]], channels: int, hidden_channels: int, out_channels: int
    ) -> None:
        from nfn.common import ArraySpec, NetworkSpec
        from nfn.layers import HNPLinear, HNPPool, TupleOp

        super().__init__(len(shapes))
        self.shapes = [(r, s, p, 1) if p > 1 else (r, s) for r, s, p in shapes]
        specification = NetworkSpec(
            [ArraySpec(shape) for shape in self.shapes], [ArraySpec((r,)) for r, *_ in shapes]
        )
        widths = [1, channels, channels, channels]
        self.layers = nn.Sequential(
            *(
                module
                for inputs, outputs in pairwise(widths)
                for module in (HNPLinear(specification, inputs, outputs), TupleOp(nn.ReLU()))
            ),
            HNPPool(specification),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(HNPPool.get_num_outs(specification) * channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, out_channels),
        )

    def forward(
        self, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks out_channels"]:
        """Predictions for a batch of flattened states."""
        from nfn.common import WeightSpaceFeatures

        assert self.chain is not None
        weights = [
            states[:, entries.reshape(-1)].reshape(-1, 1, *shape) / self.weight_scale[number]
            for number, (entries, shape) in enumerate(
                zip(self.chain.weights, self.shapes, strict=True)
            )
        ]
        biases = [
            states[:, entries][:, None] / self.bias_scale[number]
            for number, entries in enumerate(self.chain.biases)
        ]
        return self.head(self.layers(WeightSpaceFeatures(weights, biases)))


class PublishedNFNPredictor(NFNPredictor):
    """That network as a predictor; not in the package's registry, for it needs ``nfn``."""

    name: ClassVar[str] = "nfn_published"
    defaults: ClassVar[dict[str, Any]] = {
        **NetworkPredictor.defaults,
        "channels": 16,
        "hidden_channels": 64,
        "learning_rate": 1e-3,
    }

    def _network(self, shapes: list[list[int]]) -> PublishedNFN:
        options = self.options
        return PublishedNFN(shapes, options["channels"], options["hidden_channels"], self._outputs)
