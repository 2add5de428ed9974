"""Draws near the manifold of latents.

S_Neigh of Schürholt et al., "Hyper-Representations as Generative Models" (2022).
"""

from typing import Any

import torch

from gnncore.extras import install_command
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.sampler import Matrix, Sampler

NEIGHBOURS = {"neighbours": 5, "umap": 15}
"""Manifolds, with the neighbours of each network by default."""


class Neighbourhood(Sampler):
    """Latents between those of networks that are neighbours.

    With ``neighbours``, a network is drawn and a point of the simplex that it spans with its
    nearest neighbours, uniformly (scikit-learn finds them). With ``umap``, as published, latents
    are embedded in three dimensions by umap-learn (15 neighbours, smallest distance 0.01), points
    are drawn uniformly in their bounding box, wherever latents are in it, and mapped back.

    Args:
        manifold: ``neighbours`` or ``umap``.
        neighbours: Number of neighbours of each network; 5 of the simplex and 15 of UMAP by
            default.

    Raises:
        GeneratorError: Another word for the manifold, or umap-learn is not installed.
        InvalidArgumentError: Fewer than two neighbours.
    """

    name = "neighbourhood"
    least = 3

    def __init__(self, manifold: str = "neighbours", neighbours: int | None = None) -> None:
        super().__init__()
        if manifold not in NEIGHBOURS:
            raise GeneratorError(f"unknown manifold {manifold!r}; choose neighbours or umap")
        self.neighbours = NEIGHBOURS[manifold] if neighbours is None else neighbours
        arguments.whole("neighbours", self.neighbours, 2)
        self._umap: Any = _umap() if manifold == "umap" else None

    def _fit(self, latents: Matrix) -> None:
        self._latents = latents
        count = min(self.neighbours, len(latents) - 1)
        if self._umap is None:
            from sklearn.neighbors import NearestNeighbors

            found = NearestNeighbors(n_neighbors=count).fit(latents.numpy())
            others = torch.from_numpy(found.kneighbors(return_distance=False))
            self._members = torch.cat([torch.arange(len(latents))[:, None], others], dim=1)
        else:
            self._map = self._umap(
                n_neighbors=count, min_dist=0.01, n_components=3, random_state=42, n_jobs=1
            )
            embedded = torch.from_numpy(self._map.fit_transform(latents.numpy()))
            self._low, self._high = embedded.amin(0), embedded.amax(0)

    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        if self._umap is not None:
            shares = torch.rand(count, len(self._low), generator=generator)
            points = self._low + (self._high - self._low) * shares
            return torch.from_numpy(self._map.inverse_transform(points.numpy())).float()
        members = self._members[torch.randint(len(self._members), (count,), generator=generator)]
        # Exponential variables over their sum are uniform in a simplex.
        shares = torch.empty(members.shape).exponential_(generator=generator)
        shares = shares / shares.sum(dim=1, keepdim=True)
        return (shares[:, :, None] * self._latents[members]).sum(dim=1)


def _umap() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise GeneratorError(
            f"the manifold 'umap' needs the package umap-learn: {install_command('manifold')}"
        ) from error
    return UMAP
