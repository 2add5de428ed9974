"""Sparse networks: pruned twins of whole populations, and networks without what is dead in them.

>>> from graphwsl.sparsification import compact, sparsify  # doctest: +SKIP
>>> small = compact(model, example_inputs)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.sparsification.compaction import CompactNetwork as CompactNetwork
    from graphwsl.sparsification.compaction import Comparison as Comparison
    from graphwsl.sparsification.compaction import Cost as Cost
    from graphwsl.sparsification.compaction import compact as compact
    from graphwsl.sparsification.compaction import compared as compared
    from graphwsl.sparsification.report import TwinSummary as TwinSummary
    from graphwsl.sparsification.report import masks_of as masks_of
    from graphwsl.sparsification.report import summarise_twins as summarise_twins
    from graphwsl.sparsification.sparsifying import SparsifiedZoo as SparsifiedZoo
    from graphwsl.sparsification.sparsifying import sparsify as sparsify

# Imported on first use: torch takes seconds to import.
_HOME = {
    "CompactNetwork": "compaction",
    "Comparison": "compaction",
    "Cost": "compaction",
    "SparsifiedZoo": "sparsifying",
    "TwinSummary": "report",
    "compact": "compaction",
    "compared": "compaction",
    "masks_of": "report",
    "sparsify": "sparsifying",
    "summarise_twins": "report",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
