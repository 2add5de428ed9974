"""Codes of units: an orthonormal basis for the weights that read them, whatever their order is."""

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-5
"""Added to the products of columns, relative to their mean, so that equal units do no harm."""


def orthonormal_codes(
    signals: Float[Tensor, "*networks units channels"], most: int
) -> Float[Tensor, "*networks units codes"]:
    r"""Columns that are orthonormal, from signals of the units.

    With :math:`S` the first columns of the signals and :math:`S^T S = L L^T`, the codes are
    :math:`S L^{-T}`. Another order of the units leaves :math:`S^T S` as it is, so the codes only
    change places with the units. As many codes as units make an orthogonal matrix: weights are
    told by their sums with the codes without any loss.

    Args:
        signals: Signals of the units, at least as many channels as codes.
        most: Codes at most; as many as units otherwise.
    """
    count = min(most, signals.shape[-2], signals.shape[-1])
    columns = signals[..., :count].double()
    products = columns.mT @ columns
    scale = products.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    ridge = RIDGE * (scale + 1e-12) * torch.eye(count, dtype=products.dtype, device=signals.device)
    lower = torch.linalg.cholesky(products + ridge)
    codes = torch.linalg.solve_triangular(lower, columns.mT, upper=False).mT
    return codes.to(signals.dtype)
