"""Populations of trained networks: train them, store them, read the published ones."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.architectures.registry import ArchitectureFactors as ArchitectureFactors
    from graphwsl.zoo.architectures.registry import build as build
    from graphwsl.zoo.architectures.registry import register_architecture as register_architecture
    from graphwsl.zoo.checkpoint import Checkpoint as Checkpoint
    from graphwsl.zoo.checkpoint import Problem as Problem
    from graphwsl.zoo.data import register_data as register_data
    from graphwsl.zoo.data_set import DataSet as DataSet
    from graphwsl.zoo.layouts.ray_tune_writer import write_ray_tune as write_ray_tune
    from graphwsl.zoo.layouts.registry import open_zoo as open_zoo
    from graphwsl.zoo.parentage import parents_of as parents_of
    from graphwsl.zoo.recipe import Recipe as Recipe
    from graphwsl.zoo.training.train import train_zoo as train_zoo
    from graphwsl.zoo.zoo import Zoo as Zoo

# Imported on first use, as in the package itself.
_HOME = {
    "ArchitectureFactors": "architectures.registry",
    "Checkpoint": "checkpoint",
    "DataSet": "data_set",
    "Problem": "checkpoint",
    "Recipe": "recipe",
    "Zoo": "zoo",
    "build": "architectures.registry",
    "open_zoo": "layouts.registry",
    "parents_of": "parentage",
    "register_architecture": "architectures.registry",
    "register_data": "data",
    "train_zoo": "training.train",
    "write_ray_tune": "layouts.ray_tune_writer",
}

__all__ = [*_HOME]


__getattr__, __dir__ = lazy(__name__, _HOME)
