"""Noise of a stable share, and its 95 % interval, from counts or from independent scrambles."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit

from gridstab.errors import InvalidParameterError


def wilson_interval(
    stable: Int[np.ndarray, " nodes"],
    samples: Int[np.ndarray, " nodes"],
    confidence: float = 0.95,
) -> Float[np.ndarray, "nodes 2"]:
    """Wilson's score interval of a binomial share.

    Unlike ±1.96 standard errors it stays inside 0 to 1 and keeps its width where all or none of
    the trajectories returned. Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Args:
        stable: Trajectories that returned.
        samples: Trajectories simulated; 0 gives the interval from 0 to 1.
        confidence: Probability that the interval covers the share.

    Returns:
        Lower and upper end of each node's interval.

    Raises:
        InvalidParameterError: ``confidence`` is not between 0 and 1, or a count is impossible.
    """
    _check_confidence(confidence)
    bad = np.flatnonzero((stable < 0) | (stable > samples))
    if bad.size:
        raise InvalidParameterError(
            f"stable must be 0 to samples, got {stable[bad[0]]} of {samples[bad[0]]} at {bad[0]}"
        )
    z = ndtri(0.5 + confidence / 2)
    total = samples + z**2
    centre = (stable + z**2 / 2) / total
    half = z / total * np.sqrt(stable * (samples - stable) / np.maximum(samples, 1) + z**2 / 4)
    # Rounding must not push the ends of "all" and "none" off 1 and 0.
    low = np.where(stable == 0, 0.0, centre - half)
    high = np.where(stable == samples, 1.0, centre + half)
    return np.stack([low, high], axis=1)


def scramble_interval(
    scramble_stable: Int[np.ndarray, "nodes scrambles"],
    n_samples: Int[np.ndarray, " nodes"],
    confidence: float = 0.95,
) -> Float[np.ndarray, "nodes 2"]:
    """Interval of a share estimated by independently scrambled Sobol sequences.

    The points of one sequence are not independent, but the shares of different scrambles are, so
    the interval is their mean ± Student's t times its standard error, within 0 and 1 (Owen,
    doi:10.1007/978-1-4612-2552-2_19). Where all scrambles agree exactly, as at nodes without any
    unstable perturbation, their spread says nothing and Wilson's interval of the pooled counts
    takes its place; it is wider than needed, never narrower.

    Args:
        scramble_stable: Trajectories that returned, by scramble.
        n_samples: Trajectories simulated, over all scrambles, the same number in each.
        confidence: Probability that the interval covers the share.

    Returns:
        Lower and upper end of each node's interval.

    Raises:
        InvalidParameterError: As for :func:`wilson_interval`.
    """
    scrambles = scramble_stable.shape[1]
    pooled = wilson_interval(scramble_stable.sum(axis=1), n_samples, confidence)
    if scrambles < 2:
        return pooled
    share = scramble_stable * scrambles / np.maximum(n_samples, 1)[:, None]
    error = share.std(axis=1, ddof=1) / np.sqrt(scrambles)
    half = stdtrit(scrambles - 1, 0.5 + confidence / 2) * error
    spread = np.clip(share.mean(axis=1)[:, None] + half[:, None] * [-1.0, 1.0], 0.0, 1.0)
    agree = (scramble_stable == scramble_stable[:, :1]).all(axis=1)
    return np.where(agree[:, None], pooled, spread)


def stability_interval(
    stable: Int[np.ndarray, " nodes"],
    samples: Int[np.ndarray, " nodes"],
    scramble_stable: Int[np.ndarray, "nodes scrambles"],
) -> Float[np.ndarray, "nodes 2"]:
    """The 95 % interval that fits the sampler: from the scrambles where there are any."""
    if scramble_stable.shape[1]:
        return scramble_interval(scramble_stable, samples)
    return wilson_interval(stable, samples)


def binomial_variance(
    stable: Int[np.ndarray, " nodes"], samples: Int[np.ndarray, " nodes"]
) -> Float[np.ndarray, " nodes"]:
    """Unbiased estimate y(1 − y)/(n − 1) of the variance p(1 − p)/n of a share y of n random ones.

    Shares of points that are spread evenly, of Sobol sequences or of a raster, scatter less: for
    them it is an upper bound.

    Args:
        stable: Trajectories that returned.
        samples: Trajectories simulated.

    Returns:
        One variance a node; NaN for fewer than two trajectories, whose noise is not known.
    """
    share = stable / np.maximum(samples, 1)
    variance = share * (1 - share) / np.maximum(samples - 1, 1)
    return np.where(samples > 1, variance, np.nan)


def scramble_variance(
    scramble_stable: Int[np.ndarray, "nodes scrambles"], n_samples: Int[np.ndarray, " nodes"]
) -> Float[np.ndarray, " nodes"]:
    """Unbiased estimate of the variance of a share, from independently scrambled sequences.

    It is the variance between the shares of the scrambles, divided by their number.

    Args:
        scramble_stable: Trajectories that returned, by scramble, of which there are at least two.
        n_samples: Trajectories simulated, over all scrambles, the same number in each.

    Returns:
        One variance a node, 0 where all scrambles agree.
    """
    scrambles = scramble_stable.shape[1]
    share = scramble_stable * scrambles / np.maximum(n_samples, 1)[:, None]
    return np.asarray(share.var(axis=1, ddof=1) / scrambles)


def _check_confidence(confidence: float) -> None:
    number = isinstance(confidence, int | float | np.integer | np.floating)
    if not (number and 0 < confidence < 1):
        raise InvalidParameterError(f"confidence must be between 0 and 1, got {confidence!r}")
