"""Feature sets: which columns a model sees of every node and line.

============================ ==================================================================
``published``                P of nodes and K of lines, as in all published studies
``operating_point``          and what the operating point says: phases, flows, stiffness
``solitary``                 and whether the node can stay out of step by itself
``local``                    without phases, susceptibilities and loads of nodes, which depend on
                             the size of the grid: for grids unlike those trained on
``local_nodes``              and lines that carry their coupling alone: for grids most unlike
                             those trained on
``parametric``               those of ``local``, and whether a node out of step shakes the rest so
                             strongly that it does not stay so
``trapping_nodes``           those of ``parametric_nodes``, with all frequencies from which nodes
                             are caught in place of the window below the outermost solitary state
``parametric_nodes``         those of ``parametric``, and lines that carry their coupling alone
``published_measures``       six network measures of every node, for baselines without a graph
``network_measures``         all known ones
============================ ==================================================================

>>> from gridstab import random_grid
>>> x, edge_attr = FeatureSet.named("operating_point").compute(random_grid(20, seed=1))
>>> x.shape, edge_attr.shape
((20, 10), (52, 5))
"""

import hashlib
import inspect
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import gridstab
import gridstab.features.electrical
import gridstab.features.measures
import gridstab.features.parametric
import gridstab.features.solitary
import gridstab.features.trapping
from gnncore.registry import Registry
from gridstab.errors import InvalidParameterError
from gridstab.features.feature import EDGE_FEATURES as EDGE_FEATURES
from gridstab.features.feature import NODE_FEATURES as NODE_FEATURES
from gridstab.features.feature import Feature as Feature
from gridstab.features.feature import edge_feature as edge_feature
from gridstab.features.feature import node_feature as node_feature
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True)
class FeatureSet:
    """Names of features; the default is the published set.

    Attributes:
        node: Names in :data:`NODE_FEATURES`, in the order of the columns of ``x``; at least one.
        edge: Names in :data:`EDGE_FEATURES`, in the order of the columns of ``edge_attr``.

    Raises:
        InvalidParameterError: An unknown or repeated name, or no feature of nodes.
    """

    node: tuple[str, ...] = ("power",)
    edge: tuple[str, ...] = ("coupling",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "node", tuple(self.node))
        object.__setattr__(self, "edge", tuple(self.edge))
        if not self.node:
            raise InvalidParameterError("a feature set needs at least one feature of nodes")
        for level, names, known in (
            ("node", self.node, NODE_FEATURES),
            ("edge", self.edge, EDGE_FEATURES),
        ):
            for name in names:
                known.find(name)
                if names.count(name) > 1:
                    raise InvalidParameterError(f"{level} feature {name!r} is given twice")

    @classmethod
    def named(cls, name: str) -> "FeatureSet":
        """A set of :data:`FEATURE_SETS`.

        Raises:
            InvalidParameterError: There is no set of that name.
        """
        return FEATURE_SETS.find(name)

    def without(self, *names: str) -> "FeatureSet":
        """The set without some features.

        Raises:
            InvalidParameterError: A name that is not in the set, or no feature of nodes is left.
        """
        for name in names:
            if name not in (*self.node, *self.edge):
                raise InvalidParameterError(
                    f"there is no feature {name!r} to leave out; the set has "
                    f"{', '.join((*self.node, *self.edge))}"
                )
        node, edge = (
            tuple(name for name in kept if name not in names) for kept in (self.node, self.edge)
        )
        return FeatureSet(node, edge)

    @property
    def node_features(self) -> tuple[Feature, ...]:
        """The features of nodes."""
        return tuple(NODE_FEATURES[name] for name in self.node)

    @property
    def edge_features(self) -> tuple[Feature, ...]:
        """The features of lines."""
        return tuple(EDGE_FEATURES[name] for name in self.edge)

    @property
    def node_columns(self) -> tuple[str, ...]:
        """Names of the columns of ``x``."""
        return tuple(column for feature in self.node_features for column in feature.columns)

    @property
    def edge_columns(self) -> tuple[str, ...]:
        """Names of the columns of ``edge_attr``."""
        return tuple(column for feature in self.edge_features for column in feature.columns)

    @property
    def node_parity(self) -> tuple[int, ...]:
        """Sign of each column of ``x`` under (P, θ, ω) → (−P, −θ, −ω)."""
        return tuple(sign for feature in self.node_features for sign in feature.parity)

    @property
    def edge_parity(self) -> tuple[int, ...]:
        """Sign of each column of ``edge_attr`` under (P, θ, ω) → (−P, −θ, −ω)."""
        return tuple(sign for feature in self.edge_features for sign in feature.parity)

    @property
    def edge_direction(self) -> tuple[int, ...]:
        """Sign of each column of ``edge_attr`` when the edge is seen from its other end."""
        return tuple(sign for feature in self.edge_features for sign in feature.direction)

    @property
    def in_channels(self) -> int:
        """Number of columns of ``x``."""
        return len(self.node_columns)

    @property
    def edge_channels(self) -> int:
        """Number of columns of ``edge_attr``."""
        return len(self.edge_columns)

    @property
    def fingerprint(self) -> str | None:
        """Changes when the modules that define the features do; None where those cannot be read.

        Results of another fingerprint must be computed anew.
        """
        digest = hashlib.sha256(f"{gridstab.__version__} {self}".encode())
        for feature in (*self.node_features, *self.edge_features):
            try:
                module = inspect.getmodule(feature.function)
                digest.update(inspect.getsource(module or feature.function).encode())
            except (OSError, TypeError):
                return None
        return digest.hexdigest()

    def compute(
        self, grid: PowerGrid
    ) -> tuple[Float[np.ndarray, "nodes channels"], Float[np.ndarray, "edges edge_channels"]]:
        """``x`` and ``edge_attr`` of a grid, the latter along the columns of its ``edge_index``.

        Raises:
            DatasetError: A feature has the wrong shape or is not finite.
            OperatingPointError: A feature needs an operating point and there is none.
        """
        x = np.concatenate([feature(grid) for feature in self.node_features], axis=1)
        edge_attr = [feature(grid) for feature in self.edge_features]
        return x, np.concatenate([np.zeros((2 * grid.num_lines, 0)), *edge_attr], axis=1)


PUBLISHED = FeatureSet()

OPERATING_POINT = FeatureSet(
    node=(
        "power",
        "degree",
        "neighbour_power",
        "phase",
        "phase_to_neighbours",
        "throughput",
        "largest_load",
        "node_stiffness",
        "susceptibility",
        "escape_energy",
    ),
    edge=("coupling", "linear_flow", "load", "stiffness", "bridge"),
)

SOLITARY = FeatureSet(
    node=(*OPERATING_POINT.node, "solitary_state", "solitary_drain"), edge=OPERATING_POINT.edge
)

LOCAL = SOLITARY.without("phase", "susceptibility", "throughput", "largest_load")

PARAMETRIC = FeatureSet(node=(*LOCAL.node, "solitary_gain"), edge=LOCAL.edge)

FEATURE_SETS: Registry[FeatureSet] = Registry(
    "feature set",
    InvalidParameterError,
    {
        "published": PUBLISHED,
        "operating_point": OPERATING_POINT,
        "solitary": SOLITARY,
        "local": LOCAL,
        "local_nodes": FeatureSet(node=LOCAL.node, edge=PUBLISHED.edge),
        "parametric": PARAMETRIC,
        "trapping_nodes": FeatureSet(
            node=(*PARAMETRIC.without("solitary_state").node, "solitary_trap"), edge=PUBLISHED.edge
        ),
        "parametric_nodes": FeatureSet(node=PARAMETRIC.node, edge=PUBLISHED.edge),
        "published_measures": FeatureSet(node=("published_measures",), edge=()),
        "network_measures": FeatureSet(node=("network_measures",), edge=()),
    },
)
"""Feature sets by name."""
