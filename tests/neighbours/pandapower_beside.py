"""pandapower in the same environment: it works itself, and its networks convert and simulate."""

import numpy as np
import pandapower
import pandapower.networks

import gridstab

network = pandapower.networks.case30()
pandapower.rundcpp(network)
grid = gridstab.grids.from_pandapower(network, setting="case")
assert grid.num_nodes == len(network.bus)
assert abs(grid.power.sum()) < 1e-9
result = gridstab.simulate(gridstab.grids.from_pandapower(network), samples=10, seed=1)
assert result.snbs.shape == (grid.num_nodes,)
assert np.isfinite(result.snbs).all()
print(f"pandapower {pandapower.__version__}: {grid.num_nodes} buses converted and simulated")
