"""The largest eigenvalues of the Hessians of many networks, found together.

A block Krylov space with Rayleigh and Ritz's projection and restarts: what Lanczos does, but every
basis is kept orthogonal and every product is kept, so that the error of an eigenvalue is known and
not guessed, and eigenvalues that occur several times are found as often.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from graphwsl.landscape.hessian_products import Hessians, Vectors

TOLERANCE = 1e-3

BASIS = 48
"""Vectors that are kept of every network between restarts, if they fit into the memory."""

NUMBERS = 2**28
"""Numbers of these vectors and of their products, at most, unless that leaves fewer than 8."""

Values = Float[Tensor, "networks count"]
Known = Float[Tensor, "networks known entries"]


@torch.no_grad()
def largest(
    hessians: Hessians,
    count: int = 1,
    *,
    tolerance: float = TOLERANCE,
    max_products: int = 2000,
    generator: torch.Generator | None = None,
) -> tuple[Values, Values]:
    """The ``count`` largest eigenvalues of every network's Hessian, in descending order.

    Args:
        hessians: The Hessians of some networks.
        count: How many eigenvalues; at most as many as there are entries.
        tolerance: The residual |Hv − λv| of a found pair bounds the error of its λ; it is at most
            this share of the largest eigenvalue in size.
        max_products: Products of every Hessian with a vector, at most.
        generator: Draws where the search begins; None takes a fixed seed, the same for all.

    Returns:
        The eigenvalues, and the bounds of their errors. NaN are the values of networks whose
        derivatives are not finite, and infinite the bounds of what was not found in time.
    """
    generator = generator or torch.Generator().manual_seed(0)
    networks, size = hessians.networks, hessians.entries
    fitting = min(max(BASIS, 8 * count), NUMBERS // (2 * networks * size))
    limit = min(size, max(fitting, 4 * count, 8))
    start = torch.randn(count, size, generator=generator, dtype=torch.float64).to(hessians.flat)
    basis = _orthogonal(start.expand(networks, -1, -1), None, generator)
    products = hessians.products(basis)
    is_finite = torch.ones(networks, dtype=torch.bool, device=basis.device)
    used = count
    while True:
        is_finite &= products.isfinite().all(2).all(1)
        basis, products = (_only(is_finite, some) for some in (basis, products))
        values, vectors = torch.linalg.eigh(_projected(basis, products))
        scale = values.abs().amax(1, keepdim=True)
        order = values.argsort(dim=1, descending=True)
        chosen = vectors.gather(2, order[:, None, :].expand_as(vectors)).mT.to(basis)
        found = values.gather(1, order)[:, :count]
        wanted = chosen[:, :count]
        residuals = wanted @ products - found[..., None].to(basis) * (wanted @ basis)
        bounds = residuals.double().norm(dim=2)
        is_found = bounds <= tolerance * scale
        if bool(is_found.all()) or basis.shape[1] == size or used + count > max_products:
            break
        if basis.shape[1] + count > limit and limit < size:
            kept = chosen[:, : max(limit // 2, count)]
            basis, products = kept @ basis, kept @ products
        residuals = residuals[:, : size - basis.shape[1]]
        more = _orthogonal(residuals, basis, generator)
        basis = torch.cat([basis, more], dim=1)
        products = torch.cat([products, hessians.products(more)], dim=1)
        used += more.shape[1]
    if basis.shape[1] < size:
        bounds = bounds.masked_fill(~is_found, torch.inf)
    return found.masked_fill(~is_finite[:, None], torch.nan).cpu(), bounds.cpu()


def _projected(basis: Vectors, products: Vectors) -> Float[Tensor, "networks kept kept"]:
    projected = basis.double() @ products.double().mT
    return (projected + projected.mT) / 2


def _only(is_finite: Bool[Tensor, " networks"], some: Vectors) -> Vectors:
    """Zeros in place of what is not finite, which would spoil all networks."""
    return some if bool(is_finite.all()) else some.masked_fill(~is_finite[:, None, None], 0)


def _orthogonal(vectors: Vectors, basis: Known | None, generator: torch.Generator) -> Vectors:
    """Orthonormal vectors, orthogonal to the basis; random where there is no direction left."""
    known = vectors[:, :0] if basis is None else basis
    for one in vectors.unbind(1):
        random = torch.randn(one.shape[1], generator=generator, dtype=torch.float64).to(one)
        direction, is_new = _rest(one, known)
        if not bool(is_new.all()):
            direction = torch.where(is_new[:, None], direction, _rest(random[None], known)[0])
        known = torch.cat([known, direction[:, None]], dim=1)
    return known[:, known.shape[1] - vectors.shape[1] :]


def _rest(
    vectors: Float[Tensor, "#networks entries"], known: Known
) -> tuple[Float[Tensor, "networks entries"], Bool[Tensor, " networks"]]:
    """Directions without what the known ones span, and whether more than rounding is left."""
    tiny = torch.finfo(vectors.dtype).tiny
    rest = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=tiny)
    rest = rest.expand(len(known), -1)
    for _ in range(2):  # once more for what rounding left
        rest = rest - ((rest[:, None] @ known.mT) @ known)[:, 0]
    length = rest.norm(dim=1, keepdim=True)
    return rest / length.clamp(min=tiny), length[:, 0] > 0.01
