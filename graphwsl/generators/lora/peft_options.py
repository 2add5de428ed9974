"""Options of adapters of ``peft``: which of them leave the plain product, and what its factors are.

Options that are not known here are refused where they are set: a variant that was invented later
would else be read as what it is not.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

from graphwsl.arguments import described
from graphwsl.errors import GeneratorError

PLAIN: dict[str, Any] = {
    "peft_type": "LORA",
    "bias": "none",
    "fan_in_fan_out": False,
    "use_dora": False,
    "modules_to_save": None,
    "layer_replication": None,
    "lora_bias": False,
}
"""Options that other products need, and their values where they are not used."""

INITIAL = (True, False, None, "gaussian", "eva", "orthogonal")
"""How adapters can begin without the base being changed; ``pissa``, ``olora``, ``corda`` and
``loftq`` replace its weights by what the first adapter leaves of them."""

HARMLESS = frozenset(
    {
        *PLAIN,
        *("alpha_pattern", "lora_alpha", "r", "rank_pattern", "use_rslora"),
        *("exclude_modules", "layers_pattern", "layers_to_transform", "target_modules"),
        *("corda_config", "eva_config", "init_lora_weights", "loftq_config"),
        *("auto_mapping", "base_model_name_or_path", "inference_mode", "lora_dropout"),
        *("megatron_core", "peft_version", "qalora_group_size", "revision"),
        *("runtime_config", "task_type"),
    }
)
"""Options that are read, or on which the product does not depend."""


def require_plain(folder: str, config: Mapping[str, Any]) -> None:
    """Refuse adapters that are no sum of the base weight and ``scaling * B @ A``.

    Args:
        folder: Where they are, for the message.
        config: Their configuration.

    Raises:
        GeneratorError: An option is set that makes them another sum, may do so, or is ill-typed.
    """
    for option, value in PLAIN.items():
        if config.get(option, value) not in (value, [] if value is None else value):
            raise GeneratorError(
                f"{folder!r} has {option}={described(config[option])}, only {value!r} is read"
            )
    initial = config.get("init_lora_weights")
    if initial not in INITIAL:
        raise GeneratorError(
            f"{folder!r} has init_lora_weights={described(initial)}, which changes the base; let "
            "peft convert it (path_initial_model_for_weight_conversion of save_pretrained)"
        )
    for option in sorted(config.keys() - HARMLESS):
        if config[option] not in (None, False, "", [], {}):
            raise GeneratorError(
                f"{folder!r} has {option}={described(config[option])}, and only adapters that "
                "add scaling * B @ A are read; give one without it"
            )
    if not isinstance(config.get("use_rslora"), bool | None):
        raise GeneratorError(
            f"{folder!r} has use_rslora={described(config['use_rslora'])}; write true or false"
        )


def rank_of(folder: str, config: Mapping[str, Any], layer: str) -> int:
    """The rank of a layer.

    Args:
        folder: Where the adapter is, for the message.
        config: Its configuration.
        layer: Path of the layer.

    Raises:
        GeneratorError: There is none, or it is no whole number from 1 on.
    """
    rank = _of_layer(folder, config, "rank_pattern", layer, "r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise GeneratorError(
            f"{folder!r} says that {layer!r} has rank {described(rank)}; a rank is a whole number "
            "from 1 on"
        )
    return rank


def scaling_of(folder: str, config: Mapping[str, Any], layer: str) -> float:
    """The factor of a layer's product.

    Args:
        folder: Where the adapter is, for the message.
        config: Its configuration.
        layer: Path of the layer.

    Raises:
        GeneratorError: Alpha is missing, negative or too large, or the rank is none.
    """
    rank = rank_of(folder, config, layer)
    alpha = _of_layer(folder, config, "alpha_pattern", layer, "lora_alpha")
    is_number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not is_number or not 0 <= alpha <= sys.float_info.max:
        raise GeneratorError(
            f"{folder!r} says that {layer!r} has alpha {described(alpha)}; alpha is a finite "
            "number from 0 on"
        )
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def only(layer: str) -> str:
    """The key of a pattern that means one layer, and none whose path ends or begins like it.

    Args:
        layer: Path of the layer.
    """
    return "^" + re.escape(layer)


def _of_layer(folder: str, config: Mapping[str, Any], patterns: str, layer: str, usual: str) -> Any:
    """The value of the first pattern that matches as ``peft`` matches it, of the layer's own path,
    or the usual one."""
    known = config.get(patterns)
    known = {} if known is None else known
    if not isinstance(known, dict):
        raise GeneratorError(
            f"{folder!r} has {patterns}={described(known)}; it is a table of layers"
        )
    for key, value in known.items():
        try:
            if re.match(rf"(.*\.)?({key})$", layer):
                return value
        except (re.error, OverflowError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise GeneratorError(
                f"{folder!r} has {described(key)} in {patterns}, which is no pattern: {reason}"
            ) from error
    return known.get(layer, config.get(usual))
