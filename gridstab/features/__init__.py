"""What is known of the nodes and lines of a grid without simulating it; imports without torch."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.features.feature import EDGE_FEATURES as EDGE_FEATURES
    from gridstab.features.feature import NODE_FEATURES as NODE_FEATURES
    from gridstab.features.feature import Feature as Feature
    from gridstab.features.feature import edge_feature as edge_feature
    from gridstab.features.feature import node_feature as node_feature
    from gridstab.features.feature_set import FeatureSet as FeatureSet

# Imported on first use: SciPy and networkx take longer to import than `gridstab --help` may take.
_HOME = {
    "EDGE_FEATURES": "feature_set",
    "Feature": "feature_set",
    "FeatureSet": "feature_set",
    "NODE_FEATURES": "feature_set",
    "edge_feature": "feature_set",
    "node_feature": "feature_set",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
