"""PyPSA in the same environment: it works itself, and its networks convert and simulate."""

import numpy as np
import pypsa

import gridstab

network = pypsa.Network()
for bus in ("north", "east", "south"):
    network.add("Bus", bus, v_nom=380.0)
for number, (bus0, bus1) in enumerate((("north", "east"), ("east", "south"), ("south", "north"))):
    network.add("Line", f"line {number}", bus0=bus0, bus1=bus1, x=10.0, r=1.0)
network.add("Generator", "plant", bus="north", p_set=80.0, control="Slack")
network.add("Load", "city", bus="east", p_set=50.0)
network.add("Load", "town", bus="south", p_set=30.0)
network.lpf()
grid = gridstab.grids.from_pypsa(network, setting="case")
assert np.sign(grid.power).tolist() == [1, -1, -1]
assert abs(grid.power.sum()) < 1e-9
result = gridstab.simulate(grid, samples=10, seed=1)
assert np.isfinite(result.snbs).all()
print(f"PyPSA {pypsa.__version__}: {grid.num_nodes} buses converted and simulated")
