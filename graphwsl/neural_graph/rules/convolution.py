"""Convolutions of any dimension: ordinary, grouped, depthwise, dilated, transposed."""

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.matrix_product import biased, fixed_sources, sources_of
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.values import Value


@rule("convolution", "convolution_overrideable", "mkldnn_convolution", "conv2d", "conv1d", "conv3d")
def convolution(builder: GraphBuilder, call: Call) -> Result:
    """Channels are units; the kernel of a pair of channels is one edge."""
    x, weight, bias = call.args[:3]
    transposed, groups = bool(call.args[6]), int(call.args[8])
    if not (weight.is_weights and weight.entries):
        return opaque(builder, call)
    x = fixed_sources(builder, builder.promoted(x), dims=[1])
    kernel = tuple(weight.tensor.shape[2:])
    blocks = tuple(_grouped(one, groups, transposed) for one in weight.entries)
    channels = x.known_units.shape[1] // groups
    steps = x.known_units.transpose(0, 1).reshape(groups, channels, -1).transpose(1, 2)
    changes = weight.changes
    if changes is not None:
        changes = _grouped(changes, groups, transposed)
    targets = builder.neurons(blocks, sources_of(builder, steps), kernel, changes)
    shape = (1, -1, *(1,) * len(kernel))
    result = Value(call.result).with_units(targets.reshape(shape))
    if bias is None:
        return result
    return biased(
        builder, result, bias.rearranged(bias.tensor.view(shape), lambda t: t.view(shape))
    )


def _grouped(
    entries: Int[Tensor, "first second *kernel"], groups: int, transposed: bool
) -> Int[Tensor, "groups targets sources kernel"]:
    """PyTorch stores (out, in / groups, …), transposed (in, out / groups, …)."""
    blocks = entries.flatten(2).unflatten(0, (groups, -1))
    return blocks.transpose(1, 2) if transposed else blocks
