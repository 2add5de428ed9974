"""What metrics are where labels scatter less than is known: bounds, in which direction."""

from collections.abc import Mapping

IS_BOUND = "label_noise_is_bound"
"""Metric that is True where the noise of labels is only known to be no larger than it says."""

_BOUNDS = {
    "r2_ceiling": "at least ",
    "label_noise": "at most ",
    "excess_mse": "at least ",
    "share_in_interval": "at most ",
}


def bound_of(name: str, metrics: Mapping[str, float]) -> str:
    """What stands before the number of a metric: ``at least``, ``at most`` or nothing.

    Args:
        name: The metric.
        metrics: All metrics of the same predictions.
    """
    return _BOUNDS.get(name, "") if metrics.get(IS_BOUND) else ""
