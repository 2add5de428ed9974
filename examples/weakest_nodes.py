"""Which nodes of a random grid are the weakest, and what does a map of them look like?"""

import gridstab
from gnncore.figures import save_figure
from gridstab.dynamics import basin_map
from gridstab.report.plots import plot_basin_map, plot_grid


def main() -> None:
    """Print the five weakest nodes and draw the grid and the basin of the weakest one."""
    grid = gridstab.random_grid(20, seed=1)
    result = gridstab.simulate(grid, samples=200)
    rows = result.table()
    for node in result.weakest(5):
        row = rows[node]
        print(f"node {node:2}: SNBS {row['snbs']:.3f}, from {row['low']:.3f} to {row['high']:.3f}")

    save_figure(plot_grid(result), "grid.png")
    basin = basin_map(grid, node=int(result.weakest(1)[0]), resolution=30)
    save_figure(plot_basin_map(basin), "basin.png")
    print("see grid.png and basin.png")


if __name__ == "__main__":
    main()
