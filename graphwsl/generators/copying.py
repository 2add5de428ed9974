"""Whether samples are nearer to the training set than they should be: a test of three samples.

C. Meehan, K. Chaudhuri, S. Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative
Models" (AISTATS 2020): samples and held-out data are compared by their distances to the nearest
training data. Z. Zeng, Y. Yin, Z. Xu, Z. Liu, "Generative Modeling of Weights: Generalization or
Memorization?" (2025) apply it to networks.
"""

import math

import torch
from jaxtyping import Float, Int
from scipy.stats import rankdata
from torch import Tensor

from graphwsl.errors import GeneratorError


def three_sample_test(
    samples: Float[Tensor, " samples"],
    held_out: Float[Tensor, " held_out"],
    *,
    sample_cells: Int[Tensor, " samples"] | None = None,
    held_out_cells: Int[Tensor, " held_out"] | None = None,
    least_samples: int = 1,
) -> float:
    """The statistic C_T: far below 0 for copies, far above 0 for samples that miss the data.

    In every cell of the space, the rank sum of the distances of samples among those of held-out
    data (Mann and Whitney's U) is compared with what chance gives, in standard deviations,
    corrected for ties; the cells are averaged, by their shares of held-out data. In one cell,
    samples of the distribution of held-out data give a standard normal variable, if there are many.

    Args:
        samples: The distance of each sample to the training set.
        held_out: The same of data that were held out.
        sample_cells: The cell of each sample, such as the nearest of k means of the training
            set; None takes one cell for all.
        held_out_cells: The same of held-out data.
        least_samples: Cells with fewer samples are left out.

    Raises:
        GeneratorError: No distances, some that are not finite, cells of one part alone, or no cell
            that has enough samples and held-out data.
    """
    for name, distances in (("samples", samples), ("held-out data", held_out)):
        if not len(distances) or not bool(distances.isfinite().all()):
            raise GeneratorError(
                f"the three-sample test needs finite distances of {name}, got {len(distances)}"
                + (" with some that are not" if len(distances) else "")
            )
    if (sample_cells is None) != (held_out_cells is None):
        raise GeneratorError("give the cells of samples and of held-out data, or neither")
    if sample_cells is None or held_out_cells is None:
        return _standardised(samples, held_out)
    total, weight = 0.0, 0
    for cell in held_out_cells.unique().tolist():
        own, others = samples[sample_cells == cell], held_out[held_out_cells == cell]
        if len(own) >= max(least_samples, 1):
            total += len(others) * _standardised(own, others)
            weight += len(others)
    if not weight:
        raise GeneratorError(
            f"no cell has {least_samples} samples and held-out data; take fewer cells"
        )
    return total / weight


def least_statistic(samples: int, held_out: int) -> float:
    """The statistic if every sample is nearer than all held-out data and no distances are equal."""
    return -math.sqrt(3 * samples * held_out / (samples + held_out + 1))


def _standardised(samples: Tensor, held_out: Tensor) -> float:
    m, n = len(samples), len(held_out)
    ranks = torch.from_numpy(rankdata(torch.cat([samples, held_out]).double().numpy()))
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    counts = ranks.unique(return_counts=True)[1].double()
    ties = float((counts**3 - counts).sum()) / ((m + n) * (m + n - 1))
    variance = m * n / 12 * (m + n + 1 - ties)
    # Where all distances are equal, no part is nearer.
    return (u - m * n / 2) / math.sqrt(variance) if variance > 1e-9 else 0.0
