"""The published names of generating factors and metrics, and ours."""

import json
from collections.abc import Mapping
from typing import Any

from graphwsl.zoo.checkpoint import Scalar

RAY_TUNE_FACTORS = {
    "model::nlin": "activation",
    "model::dropout": "dropout",
    "model::init_type": "initialisation",
    "model::channels_in": "in_channels",
    "model::o_dim": "out_channels",
    "model::width": "width",
    "model::head::hidden_dim": "head_width",
    "model::freeze_encoder": "frozen",
    "optim::optimizer": "optimiser",
    "optim::lr": "learning_rate",
    "optim::wd": "weight_decay",
    "optim::momentum": "momentum",
    "training::batchsize": "batch_size",
    "seed": "seed",
}
SMALL_CNN_FACTORS = {
    "config.activation": "activation",
    "config.dropout": "dropout",
    "config.w_init": "initialisation",
    "config.b_init": "bias_initialisation",
    "config.init_std": "initialisation_std",
    "config.num_units": "width",
    "config.optimizer": "optimiser",
    "config.learning_rate": "learning_rate",
    "config.l2reg": "weight_decay",
    "config.train_fraction": "data_fraction",
    "config.random_seed": "seed",
}
METRICS = {
    "train_acc": "train_accuracy",
    "test_acc": "test_accuracy",
    "val_acc": "validation_accuracy",
    "val_loss": "validation_loss",
}
_ACTIVATIONS = {"leakyrelu": "leaky_relu"}


def renamed(published: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Scalar]:
    """A configuration under our names, and under its own ones for all that it says.

    Lists and mappings, which are no scalars, become JSON text.

    Args:
        published: The configuration as it is stored.
        names: Ours by published name.
    """
    known = {names[name]: scalar(value) for name, value in published.items() if name in names}
    if "activation" in known:
        known["activation"] = _ACTIVATIONS.get(str(known["activation"]), known["activation"])
    return {**{name: scalar(value) for name, value in published.items()}, **known}


def scalar(value: Any) -> Scalar:
    """The value itself, or JSON text of what is no scalar."""
    return value if isinstance(value, Scalar) else json.dumps(value, sort_keys=True)
