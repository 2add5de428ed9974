"""What networks that train together are made by: generating factors, completed and checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from gnncore.names import unknown
from graphwsl.arguments import described
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.inputs import INPUT_FACTORS
from graphwsl.zoo.recipe import factors_model
from graphwsl.zoo.sweep import shaping
from graphwsl.zoo.training.objectives.registry import input_factors


def completed(configurations: Any, data: DataSet) -> list[dict[str, Scalar]]:
    """Configurations with the defaults of the factors that they do not say.

    Args:
        configurations: The generating factors of each network: ``architecture``, and any of the
            others of :class:`graphwsl.zoo.recipe.Factors`, of its architecture and of the data.
        data: What they learn, which says what a sample is and how many outputs there are.

    Raises:
        ZooError: There is none, one is no mapping, has an unknown factor or a value outside its
            range, or they do not share :func:`graphwsl.zoo.sweep.shaping`.
    """
    is_list = isinstance(configurations, Sequence) and not isinstance(configurations, str)
    if not is_list or not configurations:
        raise ZooError(
            f"configurations must be a list of the generating factors of each network, one at "
            f"least, got {configurations if is_list else described(configurations)}"
        )
    complete = [_completed(own, data) for own in configurations]
    for name in shaping():
        values = list(dict.fromkeys(own.get(name) for own in complete))
        if len(values) > 1:
            raise ZooError(
                f"networks that train together must share {name}, got {values[0]!r} and "
                f"{values[1]!r}; train them in calls of their own"
            )
    rates = [own["dropout"] for own in complete]
    if any(rates) and not all(rates):
        raise ZooError(
            f"networks that train together must all have dropout or none, got {rates}; train "
            "them in calls of their own"
        )
    return complete


def kept_epochs(kept: Any, epochs: int) -> list[int]:
    """The epochs that are kept, checked.

    Raises:
        ZooError: ``epochs`` is no whole number of at least 0, or ``kept`` no list of different
            epochs from 0 to it.
    """
    whole("epochs", epochs, least=0)
    is_list = hasattr(kept, "__iter__") and not isinstance(kept, str | bytes | Mapping)
    listed = list(kept) if is_list else []
    right = [isinstance(e, int) and not isinstance(e, bool) and 0 <= e <= epochs for e in listed]
    if not listed or not all(right) or len(set(listed)) < len(listed):
        shown = listed if is_list else described(kept)
        raise ZooError(
            f"kept must be a list of different epochs from 0 to {epochs}, got {shown}; "
            f"range({epochs + 1}) keeps every one"
        )
    return listed


def whole(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number of at least ``least``.

    Raises:
        ZooError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ZooError(f"{name} must be a whole number of at least {least}, got {described(value)}")


def _completed(given: Any, data: DataSet) -> dict[str, Scalar]:
    if not isinstance(given, Mapping):
        raise ZooError(
            f"each of configurations must be a mapping, got {described(given)}; give the "
            "generating factors by name, such as {'architecture': 'mlp', 'seed': 1}"
        )
    own = {name: value for name, value in given.items() if value is not None}
    if "architecture" in own:
        ARCHITECTURES.find(own["architecture"])
    model = factors_model()
    factors = {name: value for name, value in own.items() if name in model.model_fields}
    foreign = {name: value for name, value in own.items() if name not in factors}
    known = [*model.model_fields, *INPUT_FACTORS]
    for name in foreign:
        # Published zoos say more of a network than what its training here depends on.
        if name not in INPUT_FACTORS and not _is_published(own):
            raise ZooError(unknown("factor", name, known, "the factors are"))
    of_data = input_factors(data, own)
    for name, value in of_data.items():
        # Networks may have more outputs than there are classes: those of other data, tuned.
        more = name == "out_channels" and data.classes is not None
        said = own.get(name, value)
        if not isinstance(said, int) or said < value or (said > value and not more):
            raise ZooError(
                f"{name} must be {'at least ' * more}{value}, which the data say, got "
                f"{described(said)}; change or leave out the factor"
            )
    return {**of_data, **foreign, **model.parse(factors).model_dump(exclude_none=True)}


def _is_published(configuration: Mapping[str, Scalar]) -> bool:
    """Whether a configuration keeps the names that a zoo was published with."""
    return any("::" in name or "config." in name for name in configuration)
