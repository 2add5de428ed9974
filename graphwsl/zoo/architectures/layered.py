"""A chain of layers, of which most networks of zoos are made."""

from collections.abc import Callable, Iterable

from jaxtyping import Float
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


class LayeredNetwork(nn.Module):
    """Layers applied one after the other; parameters are named ``module_list.<place>.weight``.

    These are the names of the published zoos, so their weights load as they are.

    Args:
        layers: Each takes what the one before it gives.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(layers)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        for layer in self.module_list:
            x = layer(x)
        return x
