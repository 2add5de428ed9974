"""How unlike one another networks are: in weights, and in what they do.

S. Fort, H. Hu, B. Lakshminarayanan, "Deep Ensembles: A Loss Landscape Perspective" (2019), compare
the disagreement of networks with their error, since worse networks can disagree more.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

EQUAL_ACCURACY = 0.02
"""Accuracies that differ by no more are counted as equal."""

MOST_NETWORKS = 512
"""That are compared pair by pair: the first ones."""


@dataclass(frozen=True)
class Disagreement:
    """How often networks of equal accuracy choose different classes.

    Attributes:
        mean: Share of samples, over all pairs; NaN if no two networks are equally accurate.
        per_error: The same over the mean error of the pairs, by which accuracies can be compared;
            NaN too if nothing is wrong.
    """

    mean: float
    per_error: float


def dispersion(parameters: Float[Tensor, "networks parameters"]) -> float:
    """Root mean square distance of networks from their mean; NaN of fewer than two."""
    if len(parameters) < 2:
        return math.nan
    squares = (parameters.double() - parameters.double().mean(dim=0)).square().sum()
    return float((squares / (len(parameters) - 1)).sqrt())


def disagreement(
    classes: Int[Tensor, "networks samples"], is_wrong: Bool[Tensor, "networks samples"]
) -> Disagreement:
    """The mean disagreement of all pairs of equal accuracy.

    Args:
        classes: That each network chooses.
        is_wrong: Which of them are wrong.
    """
    classes, is_wrong = classes[:MOST_NETWORKS], is_wrong[:MOST_NETWORKS]
    error, samples = is_wrong.double().mean(dim=1), classes.shape[1]
    first, second = torch.triu_indices(len(classes), len(classes), offset=1)
    # Rounding must not part accuracies that are as far apart as is allowed.
    alike = (error[first] - error[second]).abs() <= EQUAL_ACCURACY + 1e-9
    if not bool(alike.any()):
        return Disagreement(math.nan, math.nan)
    # With p = 0 the number of samples in which two rows differ, for the same pairs.
    differing = torch.pdist(classes.float(), p=0)[alike].double().mean() / samples
    errors = (error[first] + error[second])[alike].mean() / 2
    return Disagreement(float(differing), float(differing / errors) if errors else math.nan)
