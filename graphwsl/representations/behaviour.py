"""What networks do: outputs of reconstructed weights, with gradients to every weight.

Meynent et al., "Structure Is Not Enough: Leveraging Behavior for Neural Network Weight
Reconstruction" (2025). All networks of a batch run in one forward pass from their rows, whatever
their architecture is: chains of layers through the compiled loops of zoos, others by vmap.
"""

import copy
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Function
from graphwsl.populations.unflattening import unflat
from graphwsl.zoo.training.batched_networks import BatchedNetworks, LayeredNetworks

DISTILLATION_TEMPERATURE = 2.0

DRAWS, SAMPLES = 12, 64
"""Random directions of outputs, and samples of each, from which it is known what weights matter."""


class Behaviour:
    """Runs networks of one function on the same inputs.

    Args:
        function: What the networks do.

    Raises:
        RepresentationError: The networks do not take images or rows.
    """

    def __init__(self, function: Function) -> None:
        if not isinstance(function.inputs, Tensor):
            raise RepresentationError(
                f"networks {function.architecture.name!r} take several inputs; behaviour is "
                "compared on one tensor of samples alone, so set structure=1"
            )
        self.function = function
        self._dimensions = function.inputs.ndim - 1
        module = copy.deepcopy(function.module).eval().requires_grad_(False)
        loops = BatchedNetworks.of(module, self._dimensions)
        self._loops = loops if isinstance(loops, LayeredNetworks) else None
        self._module = module
        self._buffers = {name for name, _ in module.named_buffers()}

    def outputs(
        self, rows: Float[Tensor, "networks entries"], inputs: Float[Tensor, "samples ..."]
    ) -> Float[Tensor, "networks samples outputs"]:
        """The outputs of every network, differentiable by its weights, not by running statistics.

        Args:
            rows: Flattened states.
            inputs: Samples, the same for all.
        """
        state = unflat(rows, self.function.architecture)
        # Normalisations cannot be differentiated by their running statistics.
        state = {n: v.detach() if n in self._buffers else v for n, v in state.items()}
        if self._loops is not None:
            filling = inputs[:1].expand(
                -len(inputs) % self._loops.batch_multiple, *inputs.shape[1:]
            )
            x = self._loops.shared_images(torch.cat([inputs, filling]), len(rows))
            parameters = [state[name].contiguous() for name in self._loops.names]
            return self._loops.logits(parameters, x)[..., : len(inputs)].transpose(1, 2)

        def one(own: dict[str, Tensor]) -> Tensor:
            found = torch.func.functional_call(self._module, own, (inputs,))
            assert isinstance(found, Tensor)
            return found

        with sdpa_kernel(SDPBackend.MATH):  # vmap knows no fused attention
            return torch.func.vmap(one)(state).flatten(2)

    def slopes(
        self, rows: Float[Tensor, "networks entries"], inputs: Float[Tensor, "samples ..."]
    ) -> list[Float[Tensor, "networks entries"]]:
        """Gradients of outputs by weights, each of all outputs with random signs.

        Their mean products are those of all outputs' gradients (the Gauss-Newton metric), over the
        variance of the outputs. Running statistics, for which there is none, count as other
        entries do in the mean.

        Args:
            rows: Flattened states.
            inputs: Samples; some of them are looked at.
        """
        generator = torch.Generator().manual_seed(0)
        graph = self.function.architecture.graph
        found = []
        for _ in range(DRAWS):
            chosen = torch.randint(len(inputs), (SAMPLES,), generator=generator)
            weights = rows.detach().clone().requires_grad_()
            outputs = self.outputs(weights, inputs[chosen])
            signs = torch.randint(0, 2, outputs.shape, generator=generator) * 2 - 1
            spread = outputs.detach().flatten(1).std(1, correction=0).clamp(min=1e-3)
            (slope,) = torch.autograd.grad(((outputs * signs).sum((1, 2)) / spread).sum(), weights)
            mean = slope.square().mean(1, keepdim=True).sqrt()
            for name in self._buffers & graph.offsets.keys():
                some = slice(graph.offsets[name], graph.offsets[name] + graph.state[name].numel())
                drawn = torch.randn(slope[:, some].shape, generator=generator)
                slope[:, some] = mean * drawn
            found.append(slope)
        return found


def difference(
    outputs: Float[Tensor, "networks samples outputs"],
    target: Float[Tensor, "networks samples outputs"],
    kind: Literal["outputs", "distillation"],
) -> Float[Tensor, " networks"]:
    """How far the behaviour of networks is from that of others, a network.

    Args:
        outputs: Outputs of reconstructed networks.
        target: Outputs of the original ones.
        kind: ``outputs``: mean squared difference, over the variance of the target's outputs, so
            that networks with large outputs count like others. ``distillation``: divergence of the
            classes' probabilities at temperature 2.
    """
    if kind == "outputs":
        spread = target.flatten(1).var(1, correction=0).clamp(min=1e-6)
        return (outputs - target).square().flatten(1).mean(1) / spread
    scale = DISTILLATION_TEMPERATURE
    wanted = (target / scale).log_softmax(2)
    found = (outputs / scale).log_softmax(2)
    losses = functional.kl_div(found, wanted, reduction="none", log_target=True)
    return losses.sum(2).mean(1) * scale**2
