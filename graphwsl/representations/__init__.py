"""Representations: what weights have in common, learnt from populations of networks.

>>> from graphwsl.representations import make, load  # doctest: +SKIP
>>> made = make("sane").fit(train, valid)  # doctest: +SKIP
>>> made.embed(test).shape, len(made.reconstruct(test))  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.representations.registry import REPRESENTATIONS as REPRESENTATIONS
    from graphwsl.representations.registry import load as load
    from graphwsl.representations.registry import make as make
    from graphwsl.representations.representation import Representation as Representation
    from graphwsl.representations.settings import RepresentationSettings as RepresentationSettings
    from graphwsl.representations.settings import TokenSettings as TokenSettings

# Imported on first use: torch takes seconds to import.
_HOME = {
    "REPRESENTATIONS": "registry",
    "Representation": "representation",
    "RepresentationSettings": "settings",
    "TokenSettings": "settings",
    "load": "registry",
    "make": "registry",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
