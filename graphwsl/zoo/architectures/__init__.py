"""Architectures of zoos: chains of layers, vision transformers, residual networks, and your own."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.architectures.registry import ARCHITECTURES as ARCHITECTURES
    from graphwsl.zoo.architectures.registry import FACTORS as FACTORS
    from graphwsl.zoo.architectures.registry import ArchitectureFactors as ArchitectureFactors
    from graphwsl.zoo.architectures.registry import build as build
    from graphwsl.zoo.architectures.registry import register_architecture as register_architecture
    from graphwsl.zoo.architectures.registry import shapes_of as shapes_of

# Imported on first use, as in the package itself.
_HOME = {
    "ARCHITECTURES": "registry",
    "ArchitectureFactors": "registry",
    "FACTORS": "registry",
    "build": "registry",
    "register_architecture": "registry",
    "shapes_of": "registry",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
