"""Matrix products: with weights they are layers of neurons, of two activations attention."""

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import bilinear
from graphwsl.neural_graph.colouring import colour_by, colour_by_operands, coloured_by_constant
from graphwsl.neural_graph.roles import FunctionForm, OwnOperator, ParameterRole
from graphwsl.neural_graph.rules.reduction import has_constants
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import NOTHING, NodeKind, occurrences, reduced, varying_dims
from graphwsl.neural_graph.values import Value

PRODUCT = OwnOperator.MATRIX_PRODUCT


@rule("mm", "bmm")
def product(builder: GraphBuilder, call: Call) -> Result:
    """The matrix product of two values of any origin."""
    return matrix_product(builder, call.args[0], call.args[1], call.result)


@rule("dot", "mv", "vdot")
def product_with_vector(builder: GraphBuilder, call: Call) -> Result:
    """The product of a matrix and a vector; in a spectral norm of weights it is no activation."""
    first, second = call.args
    statistic = bilinear(first, second, call.result)
    return statistic or matrix_product(builder, first, second, call.result)


@rule("addmm", "baddbmm", "addmv")
def product_and_bias(builder: GraphBuilder, call: Call) -> Result:
    """A matrix product plus a bias (weights) or another activation."""
    bias, first, second = call.args[:3]
    result = matrix_product(builder, first, second, call.result)
    return biased(builder, result, bias)


def biased(builder: GraphBuilder, result: Value, bias: Value) -> Value:
    """An activation plus a bias of any origin."""
    if result.is_activation and bias.is_weights:
        assert result.units is not None
        builder.attach(ParameterRole.BIAS, result.units, bias)
        builder.applied("add", result.units, FunctionForm.WITH_WEIGHTS)
        return result
    if bias.is_activation:
        colour_by_operands(builder.units, [builder.promoted(result), bias], result.tensor.shape)
        units = builder.units.function_of(
            "add",
            NodeKind.SUM,
            builder.promoted(result).known_units,
            bias.known_units.expand(result.tensor.shape),
        )
        return result.with_units(units)
    if result.is_activation and bias.is_constant:
        if bool(bias.tensor.any()):  # what is constant takes no factor
            builder.applied("add", result.known_units, FunctionForm.WITH_CONSTANT)
        return result.with_units(
            coloured_by_constant(builder.units, "add", result.known_units, bias.tensor)
        )
    return result


def matrix_product(builder: GraphBuilder, first: Value, second: Value, result: Tensor) -> Value:
    """The product of (batches of) matrices, vectors taken as matrices.

    Args:
        builder: What is written down.
        first: The left factor.
        second: The right one.
        result: Their product on the example inputs.
    """
    left, right = first, second
    if first.tensor.ndim == 1:
        left = first.rearranged(first.tensor[None], lambda tensor: tensor[None])
    if second.tensor.ndim == 1:
        right = second.rearranged(second.tensor[:, None], lambda tensor: tensor[:, None])
    if left.is_weights and not right.is_weights:
        # The transposed product, so that weights are on the right.
        swapped = _product(builder, _transposed(right), _transposed(left))
        units = swapped.transpose(-1, -2)
    else:
        units = _product(builder, left, right)
    return Value(result, units.reshape(_matrix_shape(units, result)).reshape(result.shape))


def _matrix_shape(units: Tensor, result: Tensor) -> tuple[int, ...]:
    return tuple(units.shape) if units.numel() == result.numel() else tuple(result.shape)


def _transposed(value: Value) -> Value:
    return value.rearranged(value.tensor.mT, lambda tensor: tensor.mT)


def _product(builder: GraphBuilder, left: Value, right: Value) -> Int[Tensor, "... m n"]:
    """Units of ``left @ right``; matrices or batches of them."""
    rows, columns = left.tensor.shape[-2], right.tensor.shape[-1]
    batch = left.tensor.shape[:-2]
    if right.is_weights and right.entries:
        return _layer(builder, left, right).expand(*batch, rows, columns)
    left, right = builder.promoted(left), builder.promoted(right)
    pair = [
        left.rearranged(left.tensor.unsqueeze(-1), lambda tensor: tensor.unsqueeze(-1)),
        right.rearranged(right.tensor.unsqueeze(-3), lambda tensor: tensor.unsqueeze(-3)),
    ]
    shape = torch.Size([*batch, rows, left.tensor.shape[-1], columns])
    colour_by_operands(builder.units, pair, shape)
    for constant, value in (pair, pair[::-1]):
        if bool((constant.known_units == NOTHING).all()):
            return _products_with_constants(builder, constant, value, shape).expand(
                *batch, rows, columns
            )
    if any(has_constants(one) for one in pair):
        builder.fix(*pair)
    result = contraction(builder, left.known_units, right.known_units)
    return result.expand(*batch, rows, columns)


def _products_with_constants(
    builder: GraphBuilder, constant: Value, value: Value, shape: torch.Size
) -> Int[Tensor, "... m n"]:
    """Units of sums over the last dimension but one of products with constants.

    Units that are multiplied with other constants are other units.
    """
    units, numbers = value.known_units.expand(shape), constant.tensor.expand(shape)
    dims = varying_dims(units)
    if set(dims) & set(varying_dims(numbers)):
        dims = sorted({*dims, *varying_dims(numbers)})
    units = coloured_by_constant(
        builder.units, PRODUCT, reduced(units, dims), reduced(numbers, dims)
    )
    if units.shape[-2] == 1:
        return units.squeeze(-2)
    lists = units.transpose(-1, -2)
    sums = builder.units.aggregate(PRODUCT, lists.flatten(0, -2))
    return sums.view(lists.shape[:-1])


def _layer(builder: GraphBuilder, left: Value, right: Value) -> Int[Tensor, "... one targets"]:
    """Weights ``(…, sources, targets)``, the same for all of a batch or of its own for each."""
    entries = right.entries
    assert entries is not None
    left = fixed_sources(builder, builder.promoted(left), dims=[left.tensor.ndim - 1])
    shape = entries[0].shape
    several = entries if right.changes is None else (*entries, right.changes)
    matrices = [one.reshape(-1, *shape[-2:]) for one in several]
    is_shared = all(bool((one == one[:1]).all()) for one in matrices)
    if is_shared:
        matrices = [one[:1] for one in matrices]
        steps = left.known_units.reshape(1, -1, shape[-2])
    else:
        steps = left.known_units.expand(*shape[:-2], *left.known_units.shape[-2:]).reshape(
            len(matrices[0]), -1, shape[-2]
        )
    sources = sources_of(builder, steps)
    blocks = [one.transpose(1, 2)[..., None] for one in matrices]
    changes = None if right.changes is None else blocks.pop()
    targets = builder.neurons(tuple(blocks), sources, changes=changes)
    if is_shared:
        return targets.view(-1)[None]
    return targets.view(*shape[:-2], 1, -1)


def fixed_sources(builder: GraphBuilder, value: Value, dims: list[int]) -> Value:
    """Constants that weights are multiplied with, as one fixed unit an index along ``dims``."""
    if not bool((value.known_units == NOTHING).all()) or not bool((value.tensor != 0).any()):
        return value
    sizes = [size if dim in dims else 1 for dim, size in enumerate(value.tensor.shape)]
    count = int(torch.tensor(sizes).prod())
    units = builder.units.new(count, NodeKind.CONSTANT)
    builder.units.pin(units)
    return value.with_units(units.view(sizes))


def sources_of(
    builder: GraphBuilder, steps: Int[Tensor, "groups steps sources"]
) -> Int[Tensor, "groups sources"]:
    """The unit of each column: what is read there at all positions, samples and time steps."""
    if 1 not in varying_dims(steps):
        return steps[:, 0]
    columns = steps.transpose(1, 2).flatten(0, 1)
    units = builder.units.composite(columns)
    # What is read at other positions of its units is coloured by those.
    positions = occurrences(steps.flatten(0, 1)).view(steps.shape).transpose(1, 2).flatten(0, 1)
    _, marks = torch.where(columns == NOTHING, 0, positions).unique(dim=0, return_inverse=True)
    colour_by(builder.units, units, marks)
    return units.view(steps.shape[0], steps.shape[2])


def contraction(
    builder: GraphBuilder, first: Int[Tensor, "... m k"], second: Int[Tensor, "... k n"]
) -> Int[Tensor, "... m n"]:
    """Units of the matrix product of two activations.

    If units are the same along the contracted dimension (positions that attention averages over),
    the result follows from the pair of units. Otherwise it is the sum over the products of units,
    in which their order does not matter (the score of a query and a key).
    """
    if first.shape[-1] == 0:
        return torch.full((*first.shape[:-1], second.shape[-1]), NOTHING)
    is_mixed = {first.ndim - 1} & set(varying_dims(first)) or {second.ndim - 2} & set(
        varying_dims(second)
    )
    if not is_mixed:
        return builder.units.function_of(
            PRODUCT, NodeKind.PRODUCT, first[..., :1], second[..., :1, :]
        ).expand(*first.shape[:-1], second.shape[-1])
    batch = first.shape[:-2]
    rows = first.reshape(-1, *first.shape[-2:])
    columns = second.reshape(-1, *second.shape[-2:]).mT
    row_kinds, row_kind = rows.flatten(0, 1).unique(dim=0, return_inverse=True)
    column_kinds, column_kind = columns.flatten(0, 1).unique(dim=0, return_inverse=True)
    combined = row_kind.view(len(rows), -1, 1) * len(column_kinds) + column_kind.view(
        len(rows), 1, -1
    )
    kinds, kind = combined.unique(return_inverse=True)
    products = builder.units.function_of(
        PRODUCT,
        NodeKind.PRODUCT,
        row_kinds[kinds // len(column_kinds)],
        column_kinds[kinds % len(column_kinds)],
    )
    sums = builder.units.aggregate(PRODUCT, products)
    return sums[kind].view(*batch, first.shape[-2], second.shape[-1])
