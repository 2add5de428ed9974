"""Every public call with every kind of wrong value: prints what neither works nor is refused."""

import numpy as np

from gridstab.dynamics import SwingModel, basin_map, make_engine, outcomes, simulate, trajectories
from gridstab.dynamics.engine import stop_rule
from gridstab.dynamics.intervals import wilson_interval
from gridstab.dynamics.operating_point import operating_point
from gridstab.dynamics.sampling import perturbations
from gridstab.errors import GridstabError
from tests.gridstab.disc_engine import DiscEngine, ring_grid

WRONG = [None, "x", b"x", -1, 1.5, True, [1], {}, object(), float("nan"), 1j, np.zeros(2), 10**30]

GRID, ENGINE = ring_grid(6), DiscEngine()
RESULT = simulate(GRID, samples=5, engine=ENGINE)
START = {"grid": GRID, "node": 0, "dtheta": 0.1, "domega": 0.1, "engine": ENGINE, "stop": "fast"}
LAW = {"dtheta_range": 1.0, "domega_range": 1.0}

CALLS = [
    (
        simulate,
        LAW
        | {"grid": GRID, "samples": 4, "seed": 0, "engine": ENGINE, "stop": "fast", "horizon": 5.0}
        | {"sampler": "sobol", "scrambles": 2, "precision": None, "threads": 1, "grid_id": 1}
        | {"on_progress": None},
    ),
    (outcomes, START | {"horizon": 5.0, "threads": 1}),
    (trajectories, START | {"horizon": 5.0, "threads": 1}),
    (
        basin_map,
        {"grid": GRID, "node": 0, "resolution": 3, "domega_range": 1.0, "engine": ENGINE}
        | {"stop": "fast", "horizon": 5.0, "threads": 1},
    ),
    (
        perturbations,
        LAW
        | {"seed": 0, "grid_id": 1, "node": 0, "start": 0, "sampler": "mc", "scrambles": 8}
        | {"count": 3},
    ),
    (SwingModel.of, {"grid": GRID, "theta": np.zeros(6)}),
    (operating_point, {"grid": GRID}),
    (make_engine, {"engine": "native"}),
    (stop_rule, {"stop": "fast"}),
    (RESULT.weakest, {"count": 1}),
    (RESULT.survivability_within, {"bound": 1.0}),
]


def main() -> None:
    """Prints one line a fault, or that there is none."""
    faults = []
    for function, right in CALLS:
        for name in right:
            for value in WRONG:
                if function is perturbations and name == "count" and value is WRONG[-1]:
                    continue  # an honest request for more memory than there is
                options = right | {name: value}
                try:
                    function(**options)
                except GridstabError as error:
                    if "\n" in str(error):
                        faults.append(f"{function.__name__}({name}={value!r}): several lines")
                except Exception as error:
                    faults.append(f"{function.__name__}({name}={value!r}): {error!r}")
    for value in WRONG:
        try:
            wilson_interval(np.array([1]), np.array([2]), value)
        except GridstabError:
            pass
        except Exception as error:
            faults.append(f"wilson_interval(confidence={value!r}): {error!r}")
    print("\n".join(faults) or "all refused or taken")


main()
