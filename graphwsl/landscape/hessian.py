"""The Hessian of a network's loss: its trace, its largest eigenvalues, and their density.

Z. Yao, A. Gholami, K. Keutzer, M. W. Mahoney, "PyHessian: Neural networks through the lens of the
Hessian" (2020) measures the same one network after the other.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import LandscapeError
from graphwsl.landscape.eigenvalues import TOLERANCE, largest
from graphwsl.landscape.hessian_products import Hessians, Vectors
from graphwsl.landscape.module_objective import Batches, Loss, ModuleObjective


def hessian_trace(
    module: nn.Module,
    loss: Loss,
    batches: Batches,
    probes: int = 100,
    generator: torch.Generator | None = None,
    *,
    layer: str | None = None,
) -> float:
    """An estimate of the trace of the Hessian of the mean loss: the sum of all curvatures.

    The mean of vᵀHv over random signs v (M. F. Hutchinson, "A stochastic estimator of the trace of
    the influence matrix", 1990), see :func:`random_signs`. It is exact where the Hessian is
    diagonal; otherwise its standard error falls with the root of the number of probes.

    Args:
        module: The network, which is evaluated: batch norms by their running statistics, nothing
            dropped. It is not changed.
        loss: Mean loss of a batch of outputs and labels.
        batches: Pairs of inputs and labels; the loss is the mean over all samples.
        probes: How many vectors are drawn.
        generator: Draws them; None draws from torch's global generator.
        layer: Only the block of the parameters of this layer, as ``module_list.0``; None for all.

    Raises:
        InvalidArgumentError: An argument of another type or range.
        LandscapeError: There are no samples, no such layer, the loss is no number, or has no finite
            derivatives.

    >>> hessian_trace(model, functional.cross_entropy, batches)  # doctest: +SKIP
    """
    arguments.whole("probes", probes, 1)
    arguments.generator("generator", generator)
    hessians = _hessians(module, loss, batches, layer)
    signs = random_signs(probes, hessians.entries, generator).to(hessians.flat)
    total = float(quadratic_forms(hessians, signs).sum(2).mean())
    return _finite(total, "trace")


def largest_eigenvalues(
    module: nn.Module,
    loss: Loss,
    batches: Batches,
    count: int = 1,
    *,
    layer: str | None = None,
    tolerance: float = TOLERANCE,
    max_products: int = 2000,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " count"]:
    """The largest eigenvalues of the Hessian of the mean loss, in descending order.

    These are the largest as numbers, not in size: near a minimum the large ones are positive.
    Multiple eigenvalues count as often as they occur. See
    :func:`graphwsl.landscape.eigenvalues.largest`.

    Args:
        module: The network, as :func:`hessian_trace` takes it.
        loss: Mean loss of a batch of outputs and labels.
        batches: Pairs of inputs and labels; the loss is the mean over all samples.
        count: How many.
        layer: Only the block of the parameters of this layer, as ``module_list.0``; None for all.
        tolerance: Error of each, relative to the largest in size.
        max_products: Products with the Hessian, at most.
        generator: Draws where the search begins; None takes a fixed seed.

    Raises:
        InvalidArgumentError: An argument of another type or range.
        LandscapeError: As :func:`hessian_trace`; or there are fewer parameters than ``count``, or
            the eigenvalues are not found in ``max_products``.
    """
    arguments.whole("count", count, 1)
    arguments.whole("max_products", max_products, 1)
    arguments.positive("tolerance", tolerance)
    arguments.generator("generator", generator)
    hessians = _hessians(module, loss, batches, layer)
    if count > hessians.entries:
        raise LandscapeError(
            f"a Hessian of {hessians.entries} parameters has no {count} eigenvalues; ask for fewer"
        )
    values, bounds = largest(
        hessians, count, tolerance=tolerance, max_products=max_products, generator=generator
    )
    _finite(float(values.sum()), "eigenvalue")
    if not bool(bounds.isfinite().all()):
        raise LandscapeError(
            f"the eigenvalues are not found in {max_products} products to a relative error of "
            f"{tolerance}; raise max_products or tolerance"
        )
    return values[0]


def random_signs(
    probes: int, entries: int, generator: torch.Generator | None = None
) -> Float[Tensor, "probes entries"]:
    """The vectors of +1 and −1 that traces are estimated with.

    They are ``2 * torch.randint(2, (probes, entries), generator=generator) - 1``, whatever the
    network, its entries in the order of ``named_parameters()``.

    Args:
        probes: How many.
        entries: Number of parameters.
        generator: Draws them; None draws from torch's global generator.
    """
    return 2.0 * torch.randint(2, (probes, entries), generator=generator) - 1.0


def quadratic_forms(
    hessians: Hessians, probes: Float[Tensor, "probes entries"], at_once: int = 8
) -> Float[Tensor, "networks probes parameters"]:
    """The parts of vᵀHv at every parameter, which estimate the traces of the diagonal blocks.

    Args:
        hessians: The Hessians of some networks.
        probes: The same vectors for all networks, so that what differs is not the draw.
        at_once: Vectors that are held for every network.

    Returns:
        A number for each network, vector, and parameter (a tensor of the ``state_dict``, such as
        a matrix of weights); their sum over parameters is the quadratic form.
    """
    sizes = hessians.sizes
    found = []
    for part in probes.split(at_once):
        vectors: Vectors = part.expand(hessians.networks, *part.shape)
        products = (hessians.products(vectors) * vectors).double()
        found.append(torch.stack([block.sum(2) for block in products.split(sizes, dim=2)], dim=2))
    return torch.cat(found, dim=1)


def _hessians(module: nn.Module, loss: Loss, batches: Batches, layer: str | None) -> Hessians:
    objective = ModuleObjective(module, loss, batches)
    return Hessians(objective, objective.flat, objective.buffers, layer=layer)


def _finite(value: float, what: str) -> float:
    if value - value != 0:
        raise LandscapeError(
            f"the {what} of the Hessian is {value}: weights, losses or their derivatives are not "
            "finite"
        )
    return value
