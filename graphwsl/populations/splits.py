"""Which networks train, which validate and which test.

All epochs of a training are on one side: neighbouring checkpoints of a network are so alike that
a predictor would otherwise recognise the network instead of reading its weights. So are networks
that began as the same function and saw the same batches, with another weight decay perhaps: they
are twins, which a predictor recognises as well. Networks that were tuned from one parent are a
family, which stays together, with the parent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphwsl import arguments
from graphwsl.errors import PredictorError
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.checkpoint import Checkpoint, Scalar, require_checkpoints

PARTS = ("train", "valid", "test")


def beginning(checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    """Generating factors on which it depends how these networks begin, and what they learn.

    Beside the width, the depth and the activation those of the architectures that occur; where
    networks have parents, that alone.
    """
    if any(c.configuration.get("parent") is not None for c in checkpoints):
        return ("parent",)
    names = dict.fromkeys(str(c.configuration.get("architecture")) for c in checkpoints)
    own = (name for a in names if a in ARCHITECTURES for name in ARCHITECTURES[a].factors)
    read = dict.fromkeys(("width", "depth", "activation", *own))
    signal = ("signal",) if any("signal" in c.configuration for c in checkpoints) else ()
    return ("architecture", *read, "initialisation", "seed", *signal)


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
        """The indices of a part's checkpoints in a list.

        Args:
            part: ``train``, ``valid`` or ``test``.
            checkpoints: Checkpoints of the zoo.
        """
        models = set(getattr(self, part))
        return [n for n, checkpoint in enumerate(checkpoints) if checkpoint.model in models]


def split_models(
    checkpoints: Sequence[Checkpoint],
    seed: int = 0,
    *,
    together: Sequence[str] | None = None,
    held_out: Mapping[str, Sequence[Scalar]] | None = None,
) -> Split:
    """Cut the networks of a zoo at random into 70, 15 and 15 %.

    Args:
        checkpoints: Checkpoints of the zoo.
        seed: Seed of the draw, which does not depend on the order of the checkpoints.
        together: Networks that agree in all of these factors are in one part; those without a
            seed, of which nobody knows how they began, are on their own. Empty cuts between any
            two networks; None takes those that :func:`beginning` names.
        held_out: Test on other networks than those trained on: all networks with one of these
            values of each factor, such as ``{"width": [32]}``, are tests, and the rest is cut into
            82 and 18 %.

    Raises:
        PredictorError: Fewer than three networks, a part that no network belongs to, or a negative
            seed.
    """
    arguments.whole("seed", seed, 0)
    require_checkpoints(checkpoints)
    if held_out is not None:
        advice = 'give such as {"width": [32]}'
        arguments.instance("held_out", held_out, Mapping, "a mapping to lists of values", advice)
        for values in held_out.values():
            arguments.listed("held_out", values, object, "a value", advice)
    if together is not None:
        arguments.listed("together", together, str, "the name of a factor", 'give such as ["seed"]')
    configurations = {c.model: c.configuration for c in checkpoints}
    test: set[str] = set()
    shares = (0.7, 0.85)
    if held_out is not None:
        test = {model for model, known in configurations.items() if _has(known, held_out)}
        shares = (0.7 / 0.85, 1.0)
    together = beginning(checkpoints) if together is None else together
    groups = _groups(configurations, together, leave_out=test)
    order = np.random.default_rng(seed).permutation(len(groups))
    total = sum(map(len, groups))
    ends = [round(share * total) for share in shares]
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    count = 0
    for group in order:
        count += len(groups[group])
        parts[PARTS[sum(count > end for end in ends)]] += groups[group]
    parts["test"] += test
    for name, part in parts.items():
        if not part:
            raise PredictorError(
                f"no network is left for the {name} part of {len(configurations)} networks"
                + (f" with {dict(held_out)} held out" if held_out else "")
                + f"; the {total} to be cut began in {len(groups)} ways: take more networks"
            )
    return Split(**{name: tuple(sorted(part)) for name, part in parts.items()})


def _groups(
    configurations: Mapping[str, Mapping[str, Scalar]],
    together: Sequence[str],
    leave_out: Collection[str],
) -> list[list[str]]:
    """Networks that belong together, by name."""
    groups: dict[tuple[Scalar, ...], list[str]] = {}
    for model in sorted(set(configurations) - set(leave_out)):
        known = configurations[model]
        alone = not together or ("seed" in together and known.get("seed") is None)
        own = {**known, "parent": known.get("parent") or model}
        key = (model,) if alone else tuple(own.get(name) for name in together)
        groups.setdefault(key, []).append(model)
    return list(groups.values())


def _has(configuration: Mapping[str, Scalar], wanted: Mapping[str, Sequence[Scalar]]) -> bool:
    return all(configuration.get(name) in values for name, values in wanted.items())
