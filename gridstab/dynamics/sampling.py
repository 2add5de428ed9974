"""Random perturbations, in streams of their own for every (seed, grid, node).

A stream is a function of its key and the sample number alone, so the draws are the same in any
order, in any blocks, on any number of workers. The law is the published one: a phase offset
uniform on [−π, π) and a frequency offset uniform on [−15, 15) rad/s at one node (Nauck et al.
2022, arXiv:2206.06369).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from gnncore.registry import Registry
from gridstab.arguments import at_least, at_most, positive
from gridstab.dynamics.engine import Perturbations
from gridstab.errors import InvalidParameterError

DTHETA_RANGE = float(np.pi)
DOMEGA_RANGE = 15.0
SCRAMBLES = 8


def perturbations(
    seed: int,
    grid_id: int,
    node: int,
    start: int,
    count: int,
    *,
    sampler: str = "mc",
    scrambles: int = SCRAMBLES,
    dtheta_range: float = DTHETA_RANGE,
    domega_range: float = DOMEGA_RANGE,
) -> Perturbations:
    """Samples ``start`` to ``start + count`` of one node's stream.

    Args:
        seed: Seed of the simulation or campaign.
        grid_id: Number of the grid within it.
        node: Perturbed node.
        start: First sample.
        count: Number of samples.
        sampler: ``mc`` for independent draws, ``sobol`` for randomly scrambled Sobol sequences.
        scrambles: Independent Sobol sequences; sample k is point k // scrambles of sequence
            k % scrambles, so every multiple of ``scrambles`` fills them evenly.
        dtheta_range: Largest phase offset [rad].
        domega_range: Largest frequency offset [rad/s].

    Raises:
        InvalidParameterError: No such sampler, or a number outside its range.
    """
    unit_points = SAMPLERS.find(sampler)
    for name, number in (
        ("seed", seed),
        ("grid_id", grid_id),
        ("node", node),
        ("start", start),
        ("count", count),
    ):
        at_least(name, number, 0)
    at_most("start", start, 2**62)
    at_least("scrambles", scrambles, 1)
    positive("dtheta_range", dtheta_range)
    positive("domega_range", domega_range)
    unit = unit_points((seed, grid_id, node), start, count, scrambles)
    dtheta, domega = (2 * unit - 1).T * [[dtheta_range], [domega_range]]
    return Perturbations(np.full(count, node), dtheta, domega)


def within_a_turn(dtheta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The same offsets less whole turns, in [−π, π], where numbers are finest."""
    turns = np.where(np.abs(dtheta) <= np.pi, 0.0, np.rint(dtheta / (2 * np.pi)))
    return np.asarray(dtheta - 2 * np.pi * turns)


Key = tuple[int, int, int]


def _independent(key: Key, start: int, count: int, scrambles: int) -> Float[np.ndarray, "count 2"]:
    del scrambles
    bits = np.random.Philox(np.random.SeedSequence(key))
    # One step of Philox's counter yields four doubles, that is two samples.
    bits.advance(start // 2)
    skip = start % 2
    return np.random.Generator(bits).random((skip + count, 2))[skip:]


def _sobol(key: Key, start: int, count: int, scrambles: int) -> Float[np.ndarray, "count 2"]:
    unit = np.empty((count, 2))
    for scramble in range(scrambles):
        mine = slice((scramble - start) % scrambles, count, scrambles)
        size = len(range(count)[mine])
        if size:
            unit[mine] = _sequence(key, scramble, -(-(start - scramble) // scrambles), size)
    return unit


def _sequence(key: Key, scramble: int, first: int, count: int) -> Float[np.ndarray, "count 2"]:
    from scipy.stats import qmc  # which takes longer to import than a refusal may take

    stream = np.random.SeedSequence(key, spawn_key=(scramble,))
    sequence = qmc.Sobol(2, rng=np.random.Generator(np.random.Philox(stream)))
    if first:
        return sequence.fast_forward(first).random(count)
    # SciPy warns about a first draw that is not a power of two, though this sequence may go on.
    return np.concatenate([sequence.random(1), sequence.random(count - 1)])[:count]


SAMPLERS: Registry[Callable[[Key, int, int, int], np.ndarray]] = Registry(
    "sampler", InvalidParameterError, {"mc": _independent, "sobol": _sobol}
)
"""One line a sampler: points in the unit square by key, first sample and count."""
