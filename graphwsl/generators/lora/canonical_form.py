"""The canonical form of a low-rank pair: one for all pairs that have the same product.

``B @ A`` stays the same when A becomes ``G @ A`` and B becomes ``B @ inverse(G)``, with any
invertible G of shape ``(rank, rank)``: the group GL(r), which is larger than permutations and
scalings of the path's units. In the canonical form both matrices share the singular
values of the product evenly.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import Pair

FARTHEST = 1000
"""Exponents beyond which a power of two or its inverse may be no number in double precision."""

TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of matrices that torch can compute with."""


def canonical(
    a: Float[Tensor, "*networks rank inputs"], b: Float[Tensor, "*networks outputs rank"]
) -> Pair:
    """The pair of the same product whose columns are its singular vectors.

    With the singular value decomposition ``B @ A = U S Vᵀ`` it is ``(√S Vᵀ, U √S)``, the largest
    values first. It is found from QR decompositions of B and of Aᵀ and the singular values of a
    matrix of the size of the rank, in double precision. Of every component the largest entry of V
    in magnitude is positive. Where singular values are equal, singular vectors are not unique, and
    neither is the form; the closer they are, the more rounding moves it.

    Args:
        a: A of one layer, of one network or of several.
        b: B of the same.

    Raises:
        GeneratorError: They are not of one layer, not finite, the rank is larger than the layer, or
            the form is beyond their type's largest number.
    """
    require_pair("a and b", a, b)
    rank, inputs, outputs = a.shape[-2], a.shape[-1], b.shape[-2]
    if rank > min(inputs, outputs):
        raise GeneratorError(
            f"a pair of rank {rank} of a layer from {inputs} to {outputs} has no canonical form; "
            f"the rank must be at most {min(inputs, outputs)}"
        )
    # The product of two finite matrices may overflow where its singular values' roots do not.
    (first, of_a), (second, of_b) = _of_unit_size(a.double()), _of_unit_size(b.double())
    odd = (of_a + of_b) % 2
    left, lower = torch.linalg.qr(second)
    right, upper = torch.linalg.qr(first.mT)
    u, values, v = torch.linalg.svd(lower @ upper.mT)
    u, v = left @ u, v @ right.mT
    largest = v.gather(-1, v.abs().argmax(-1, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0).to(v)
    half = torch.exp2((of_a + of_b - odd) / 2)[..., 0]
    root = (values * torch.exp2(odd)[..., 0]).sqrt() * half
    u, v = u * (sign.mT * root[..., None, :]), v * sign * root[..., None]
    u, v = u.to(b.dtype), v.to(a.dtype)
    if not bool(u.isfinite().all() and v.isfinite().all()):
        raise GeneratorError(
            f"the canonical form of a pair with numbers up to {a.abs().max():.1e} and "
            f"{b.abs().max():.1e} overflows; scale it down"
        )
    return v, u


def _of_unit_size(
    matrix: Float[Tensor, "*networks rows columns"],
) -> tuple[Float[Tensor, "*networks rows columns"], Float[Tensor, "*networks 1 1"]]:
    """Each matrix over the power of two that is about its largest number, and its exponent."""
    exponent = torch.frexp(matrix.abs().amax((-2, -1), keepdim=True)).exponent
    exponent = exponent.clamp(-FARTHEST, FARTHEST).double()
    return matrix * torch.exp2(-exponent), exponent


def require_pair(name: str, a: Tensor, b: Tensor) -> None:
    """Refuse what are not A and B of one layer.

    Args:
        name: What they are, for the message.
        a: A, ``(…, rank, inputs)``.
        b: B, ``(…, outputs, rank)``.

    Raises:
        GeneratorError: Shapes that do not fit, types of less than 16 bits, or values that are not
            finite.
    """
    for letter, matrix in (("A", a), ("B", b)):
        arguments.instance(letter, matrix, Tensor, "a torch.Tensor", "give A and B of a layer")
    fits = a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-2] == b.shape[-1]
    if not fits or not a.is_floating_point() or not b.is_floating_point():
        raise GeneratorError(
            f"{name} must be of shapes (rank, inputs) and (outputs, rank), got "
            f"{tuple(a.shape)} and {tuple(b.shape)}"
        )
    for matrix in (a, b):
        if matrix.dtype not in TYPES:
            known = ", ".join(str(one).removeprefix("torch.") for one in TYPES)
            raise GeneratorError(f"{name} must be of {known}, got {matrix.dtype}; convert them")
    if not bool(a.isfinite().all() and b.isfinite().all()):
        raise GeneratorError(f"{name} must be finite; leave the network out")
