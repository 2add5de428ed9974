"""Embedded Runge–Kutta methods as data. A new method is a tableau and a line in METHODS.

The times of the stages are left out, because the swing equation does not depend on time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gridstab.dynamics.reference import dormand_prince_8


class Tableau(NamedTuple):
    """Coefficients of an explicit method whose last slope belongs to the new state.

    Attributes:
        matrix: Row s weighs the slopes of earlier stages for stage s. Shape ``(stages, stages)``.
        weights: Weights of the slopes in the new state. Shape ``(stages,)``.
        error: Weights of the slopes, the new state's included, in the error estimate.
        error_correction: The same for the second estimate of DOP853; zeros in other methods.
        error_order: Order of the error estimate, which the step control uses.
    """

    matrix: Float[np.ndarray, "stages stages"]
    weights: Float[np.ndarray, " stages"]
    error: Float[np.ndarray, " stages+1"]
    error_correction: Float[np.ndarray, " stages+1"]
    error_order: int


def _tableau(
    rows: Sequence[Sequence[float]],
    weights: Sequence[float],
    error: Sequence[float],
    error_order: int,
    error_correction: Sequence[float] | None = None,
) -> Tableau:
    stages = len(weights)
    matrix = np.zeros((stages, stages))
    for stage, row in enumerate(rows, start=1):
        matrix[stage, :stage] = row
    correction = np.zeros(stages + 1) if error_correction is None else np.array(error_correction)
    return Tableau(matrix, np.array(weights), np.array(error), correction, error_order)


TSIT5 = _tableau(
    rows=[
        [0.161],
        [-0.008480655492356989, 0.335480655492357],
        [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        [
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ],
    ],
    weights=[
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.290069515436081,
        2.324710524099774,
    ],
    error=[
        -0.001780011052225771,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ],
    error_order=4,
)
"""Tsitouras 5(4), Computers & Mathematics with Applications 62 (2011) 770–775."""

DOPRI5 = _tableau(
    rows=[
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    ],
    weights=[35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    error=[-71 / 57600, 0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40],
    error_order=4,
)
"""Dormand–Prince 5(4), J. Computational and Applied Mathematics 6 (1980) 19–26."""

DOP853 = _tableau(
    rows=dormand_prince_8.ROWS,
    weights=dormand_prince_8.WEIGHTS,
    error=dormand_prince_8.ERROR_5,
    error_order=7,
    error_correction=dormand_prince_8.ERROR_3,
)
"""Dormand–Prince 8(5,3), Hairer, Nørsett and Wanner 1993, section II.10."""

METHODS = {"tsit5": TSIT5, "dopri5": DOPRI5, "dop853": DOP853}
