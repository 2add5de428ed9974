"""How a model is called on a batch, where the caller of a training does not say it."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnncore.errors import TrainingError
from gnncore.training.dataset import Batch

Forward = Callable[[nn.Module, Any], Tensor]
"""The prediction of a model for a batch of the data's own class, a row for each of its labels.

A training resumes only with the same, told by its qualified name.
"""


_OFFERED = ("edge_attr", "edge_weight", "encoding", "graph_attr", "batch")


def call_model(model: Callable[..., Any], batch: Batch) -> Any:
    """The default: a graph's tensors for graphs, ``x`` alone for rows of numbers.

    On graphs the model is called as ``model(x, edge_index, edge_attr, batch)``, and with
    ``encoding``, ``graph_attr`` and ``edge_weight`` where the batch has tensors of these names. One
    whose ``forward`` names its arguments otherwise, as PyG's models do, gets those that it names.
    One that takes a single argument gets the batch. Of a layer's result, which holds nodes and
    edges, the nodes are taken.

    Raises:
        TrainingError: ``x`` is no plain tensor, so that it must be said how a model reads it, or
            of another precision than the model; or the model reads graphs and these are none, or
            asks for what they do not have.
    """
    if "edge_index" in batch:
        return _call_on_graph(model, batch)
    x = batch.get("x")
    if not isinstance(x, Tensor):
        given = "no x" if x is None else f"{type(x).__name__} as x"
        raise TrainingError(
            f"a batch has {given}; give forward, a function of the model and the batch"
        )
    if "edge_index" in (_named_arguments(model) or ()):
        raise TrainingError(
            "the model reads graphs (it takes edge_index), and the data are rows of numbers; give "
            "a GraphStore, or forward, a function of the model and the batch"
        )
    return model(x)


def _call_on_graph(model: Callable[..., Any], batch: Batch) -> Any:
    more = {
        name: batch[name] for name in ("encoding", "graph_attr", "edge_weight") if name in batch
    }
    offered = {"edge_attr": batch.get("edge_attr"), "batch": batch["batch"], **more}
    named = _named_arguments(model)
    x, edge_index = batch["x"], batch["edge_index"]
    needed = _needed_arguments(model)
    if len(needed) == 1 and "edge_index" not in (named or ()):
        prediction = model(batch)
        return prediction[0] if isinstance(prediction, tuple) else prediction
    _require(needed[2:], offered, batch)
    _require_one_precision(model, x)
    if named is None or named[2:4] == ["edge_attr", "batch"]:
        prediction = model(x, edge_index, offered["edge_attr"], offered["batch"], **more)
    else:
        taken = {name: value for name, value in offered.items() if name in named}
        if not getattr(model, "supports_edge_attr", True):  # PyG's models name it all the same
            taken.pop("edge_attr", None)
        prediction = model(x, edge_index, **taken)
    return prediction[0] if isinstance(prediction, tuple) else prediction


def as_prediction(output: Any) -> Float[Tensor, "rows *columns"]:
    """What a forward pass gave, in single precision at least, for losses of mixed precision.

    Raises:
        TrainingError: It is not one tensor.
    """
    if not isinstance(output, Tensor):
        raise TrainingError(
            f"a forward pass must give one tensor, got a {type(output).__name__}; give forward, a "
            "function of the model and the batch"
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))


def name_of(forward: Callable[..., Any]) -> str:
    """By what a resumed training knows its forward pass again."""
    return f"{getattr(forward, '__module__', '')}.{getattr(forward, '__qualname__', 'some')}"


def _require(needed: list[str], offered: dict[str, Any], batch: Batch) -> None:
    for name in needed:
        if name not in offered:
            has = ", ".join(key for key in ("x", "edge_index", *_OFFERED) if key in batch)
            raise TrainingError(
                f"the model takes {name!r}, and a batch has {has}; give the graphs that, or "
                "forward, a function of the model and the batch"
            )


def _require_one_precision(model: Callable[..., Any], x: Any) -> None:
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    types = {one.dtype for one in parameters if one.is_floating_point()}
    if isinstance(x, Tensor) and x.is_floating_point() and types and x.dtype not in types:
        raise TrainingError(
            f"x is {x.dtype} and the model {next(iter(types))}; convert one to the other, as by "
            "data.x = data.x.float()"
        )


def _needed_arguments(model: Callable[..., Any]) -> list[str]:
    """Names of what a model cannot be called without, in order; none of a wrapper's."""
    forward = model.forward if isinstance(model, nn.Module) else model
    parameters = inspect.signature(forward).parameters.values()
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        inner = getattr(model, "_orig_mod", getattr(model, "module", None))
        return _needed_arguments(inner) if isinstance(inner, nn.Module) else []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in kinds and one.default is one.empty]


def _named_arguments(model: Callable[..., Any]) -> list[str] | None:
    """Names of what a model takes; None where it hands on whatever it gets, as wrappers do."""
    forward = model.forward if isinstance(model, nn.Module) else model
    parameters = inspect.signature(forward).parameters.values()
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        inner = getattr(model, "_orig_mod", getattr(model, "module", None))
        return _named_arguments(inner) if isinstance(inner, nn.Module) else None
    return [one.name for one in parameters]
