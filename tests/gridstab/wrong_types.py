"""Calls public functions with values of wrong types, and prints what is no error of the package.

Runs as a program of its own, since the shape checks of the test run would refuse such calls first.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import gridstab
from gnncore.storage import StorageError
from gridstab import dynamics, grids
from gridstab.datasets import (
    Campaign,
    RunFolder,
    export_run,
    import_labels,
    run_campaign,
    run_landscapes,
    verify,
)
from gridstab.errors import GridstabError
from gridstab.report import plots

WRONG: list[Any] = [
    None,
    "x",
    "",
    [],
    [1],
    {},
    -1,
    float("nan"),
    float("inf"),
    10**30,
    1.5,
    (1,),
    np.array([1.0]),
    b"x",
    object(),
]

GRID = grids.ring(4)
RESULT = gridstab.simulate(GRID, 2, threads=1)
BASIN = dynamics.basin_map(GRID, 0, resolution=2, threads=1)
HOW = {"stop": "fast", "engine": "native", "threads": 1}

CALLS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (grids.random_grid, {"nodes": 4, "seed": 0, "n0": 1, "p": 0.2, "r": 0.3, "power": 1.0}),
    (grids.ring, {"nodes": 4, "power": "alternating", "seed": 0, "coupling": 9.0}),
    (grids.tree, {"nodes": 4, "branching": 2, "power": "random", "seed": 0}),
    (grids.lattice, {"rows": 2, "columns": 2, "power": "random", "seed": 0}),
    (grids.watts_strogatz, {"nodes": 6, "neighbours": 2, "rewiring": 0.1}),
    (grids.load_case, {"name_or_path": "no.m", "setting": "case"}),
    (grids.load_grid, {"path": "no.json", "node_table": "no.csv"}),
    (grids.save_grid, {"grid": GRID, "path": "grid.json"}),
    (grids.from_networkx, {"graph": GRID.to_networkx()}),
    (grids.power_flow, {"grid": GRID}),
    (grids.find_bottleneck, {"grid": GRID}),
    (gridstab.operating_point, {"grid": GRID}),
    (
        gridstab.PowerGrid.from_arrays,
        {
            "lines": [(0, 1)],
            "power": [1, -1],
            "inertia": 1.0,
            "labels": ["a", "b"],
            "coordinates": None,
        },
    ),
    (GRID.node_number, {"label": "1"}),
    (
        gridstab.simulate,
        {
            "grid": GRID,
            "samples": 2,
            "seed": 0,
            "sampler": "mc",
            "precision": None,
            "grid_id": 1,
            "on_progress": None,
            **HOW,
        },
    ),
    (dynamics.outcomes, {"grid": GRID, "node": 0, "dtheta": 0.1, "domega": 0.1, **HOW}),
    (dynamics.basin_map, {"grid": GRID, "node": 0, "resolution": 2, **HOW}),
    (gridstab.stability_landscape, {"grid": GRID, "node": 0, "resolution": 2, **HOW}),
    (dynamics.make_engine, {"engine": "auto"}),
    (RESULT.survivability_within, {"bound": 15.0}),
    (RESULT.weakest, {"count": 2}),
    (dynamics.SwingModel.of, {"grid": GRID, "theta": None}),
    (plots.plot_grid, {"result": RESULT, "limits": (0.0, 1.0)}),
    (plots.plot_basin_map, {"basin": BASIN}),
    (plots.plot_distribution, {"results": RESULT, "bins": 10}),
    (RunFolder.open, {"path": "no"}),
    (verify, {"path": "no"}),
    (export_run, {"run": "no", "out": "out", "layout": "v2"}),
    (import_labels, {"directory": ".", "out": "out", "layout": "v2"}),
    (Campaign.resolve, {"file": None, "nodes": 4, "grids": 1, "samples": 3, "seed": 0}),
    (run_campaign, {"campaign": None, "out": "out"}),
    (run_landscapes, {"campaign": None, "out": "out"}),
]

SLOW = {
    ("simulate", "samples"),
    ("plot_distribution", "bins"),
    ("basin_map", "resolution"),
    ("stability_landscape", "resolution"),
}
"""Arguments for which a huge number is a wish, though nobody's."""


def main() -> None:
    """One line a call that ends in a foreign exception."""
    warnings.simplefilter("ignore")
    for function, usable in CALLS:
        for name in usable:
            for wrong in WRONG:
                if (function.__name__, name) in SLOW and wrong == 10**30:
                    continue
                try:
                    function(**{**usable, name: wrong})
                except (GridstabError, StorageError):
                    pass
                except Exception as error:
                    kind = type(error).__name__
                    print(f"{function.__name__}({name}={wrong!r}): {kind}: {error}")


if __name__ == "__main__":
    main()
