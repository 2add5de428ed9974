"""Networks without what their weights prove to be dead."""

from graphwsl.sparsification.compaction.network import CompactNetwork, compact

__all__ = ["CompactNetwork", "compact"]
