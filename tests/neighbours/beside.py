"""gridstab beside pandapower or PyPSA in one environment: a network of theirs, simulated.

    pip install -e . pandapower && python tests/neighbours/beside.py pandapower
    pip install -e . pypsa      && python tests/neighbours/beside.py pypsa

The two cannot share an environment: pandapower needs pandas below 3, PyPSA pandas 3.
"""

import sys
from importlib.metadata import version

import numpy as np

import gridstab
from gridstab.grids import PowerGrid, from_pandapower, from_pypsa


def of_pandapower() -> PowerGrid:
    """IEEE's 14 buses, solved before and after the conversion."""
    import pandapower as pp
    import pandapower.networks as networks

    net = networks.case14()
    unsolved = from_pandapower(net, setting="case")
    pp.rundcpp(net)
    grid = from_pandapower(net, setting="case")
    feed = net.res_ext_grid["p_mw"].iloc[0] / net.sn_mva
    assert grid.labels == tuple(map(str, net.bus["name"]))
    slack = str(net.bus["name"].loc[net.ext_grid["bus"].iloc[0]])
    assert np.allclose(grid.power[grid.node_number(slack)], feed)
    assert np.allclose(grid.power, unsolved.power)
    return grid


def of_pypsa() -> PowerGrid:
    """Three buses, one of them the slack, before and after PyPSA's linear power flow."""
    import pypsa

    n = pypsa.Network()
    n.add("Bus", ["north", "west", "east"], v_nom=380.0)
    for name, start, end in (("nw", "north", "west"), ("we", "west", "east")):
        n.add("Line", name, bus0=start, bus1=end, x=20.0)
    n.add("Generator", "hydro", bus="north")
    n.add("Load", "town", bus="east", p_set=300.0)
    unsolved = from_pypsa(n, setting="case")
    n.lpf()
    grid = from_pypsa(n, setting="case")
    assert grid.labels == ("north", "west", "east")
    assert np.allclose(grid.power, [3.0, 0.0, -3.0])
    assert grid == unsolved
    return grid


def main(neighbour: str) -> None:
    """Convert and simulate; any disagreement ends in an AssertionError."""
    grid = {"pandapower": of_pandapower, "pypsa": of_pypsa}[neighbour]()
    result = gridstab.simulate(grid, samples=20, seed=1)
    assert result.snbs.shape == (grid.num_nodes,)
    print(f"{neighbour} {version(neighbour)}, pandas {version('pandas')}: {grid} simulated")


if __name__ == "__main__":
    main(sys.argv[1])
