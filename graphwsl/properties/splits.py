"""Which networks train, which validate and which test.

All epochs of a training are on one side: neighbouring checkpoints of a network are so alike that
a predictor would otherwise recognise the network instead of reading its weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphwsl.errors import PredictorError
from graphwsl.zoo.checkpoint import Checkpoint, Scalar

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """The names of the networks of each part.

    Attributes:
        train: Networks to learn from.
        valid: Networks that choose settings and epochs.
        test: Networks that are judged once.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def numbers(self, part: str, checkpoints: Sequence[Checkpoint]) -> list[int]:
        """The places of a part's checkpoints in a list.

        Args:
            part: ``train``, ``valid`` or ``test``.
            checkpoints: Of the zoo.
        """
        models = set(getattr(self, part))
        return [n for n, checkpoint in enumerate(checkpoints) if checkpoint.model in models]


def split_models(
    checkpoints: Sequence[Checkpoint],
    seed: int = 0,
    *,
    held_out: Mapping[str, Sequence[Scalar]] | None = None,
) -> Split:
    """Cut the networks of a zoo at random into 70, 15 and 15 %.

    Args:
        checkpoints: Of the zoo.
        seed: Of the draw, which does not depend on the order of the checkpoints.
        held_out: Test on other networks than those trained on: all networks with one of these
            values of each factor, such as ``{"width": [32]}``, are tests, and the rest is cut into
            82 and 18 %.

    Raises:
        PredictorError: Fewer than three networks, or a part that no network belongs to.
    """
    configurations = {c.model: c.configuration for c in checkpoints}
    models = sorted(configurations)
    order = [models[place] for place in np.random.default_rng(seed).permutation(len(models))]
    if held_out is None:
        ends = (round(0.7 * len(order)), round(0.85 * len(order)))
        parts = (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :])
    else:
        test = [m for m in order if _is_held_out(configurations[m], held_out)]
        rest = [m for m in order if not _is_held_out(configurations[m], held_out)]
        end = round(0.7 / 0.85 * len(rest))
        parts = (rest[:end], rest[end:], test)
    for name, part in zip(PARTS, parts, strict=True):
        if not part:
            raise PredictorError(
                f"no network is left for the {name} part of {len(models)} networks"
                + (f" with {dict(held_out)} held out" if held_out else "; take more networks")
            )
    return Split(*(tuple(sorted(part)) for part in parts))


def _is_held_out(
    configuration: Mapping[str, Scalar], held_out: Mapping[str, Sequence[Scalar]]
) -> bool:
    return all(configuration.get(name) in values for name, values in held_out.items())
