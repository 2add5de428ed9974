"""Where modules and names of gridstab were in version 0.1, see :mod:`gnncore.moved`."""

MODULES = {
    "gridstab.learning.electrical": "gridstab.features.electrical",
    "gridstab.learning.elimination": "gridstab.features.elimination",
    "gridstab.learning.feature": "gridstab.features.feature",
    "gridstab.learning.grid_measures": "gridstab.features.grid_measures",
    "gridstab.learning.measure": "gridstab.features.measure",
    "gridstab.learning.measures": "gridstab.features.measures",
    "gridstab.learning.operating_state": "gridstab.features.operating_state",
    "gridstab.features.place_measures": "gridstab.features.position_measures",
    "gridstab.learning.place_measures": "gridstab.features.position_measures",
    "gridstab.learning.selected_inverse": "gridstab.features.selected_inverse",
    "gridstab.learning.solitary": "gridstab.features.solitary",
    "gridstab.learning.tree_measures": "gridstab.features.tree_measures",
    "gridstab.learning.tree_parts": "gridstab.features.tree_parts",
    "gridstab.learning.features": "gridstab.features.feature_set",
    "gridstab.learning.network": "gridstab.features.grid_network",
    "gridstab.learning.benchmark": "gridstab.datasets.benchmark",
    "gridstab.learning.sources": "gridstab.datasets.sources",
    "gridstab.learning.counted_grid": "gridstab.datasets.counted_grid",
}

NAMES = {"gridstab.features.grid_network": {"Network": "GridNetwork"}}
