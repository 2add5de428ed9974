"""Networks without what their weights prove to be dead."""

from graphwsl.sparsification.compaction.network import CompactNetwork, compact
from graphwsl.sparsification.compaction.table import Comparison, Cost, compared

__all__ = ["CompactNetwork", "Comparison", "Cost", "compact", "compared"]
