"""What a network returns: its tensors, wherever in the result they are."""

from argparse import Namespace
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from graphwsl.errors import UnsupportedModelError

PLAIN = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device, torch.layout)


def output_tensors(result: Any) -> list[Tensor]:
    """All tensors of a result, in order.

    Tensors, mappings, sequences, sets, named tuples, dataclasses and namespaces are looked into,
    as deep as they go. Keys and values that a language model hands to its next call
    (``transformers.Cache``) are no outputs.

    Raises:
        UnsupportedModelError: The result holds something else that has attributes: its type is
            named.
    """
    if isinstance(result, Tensor):
        return [result]
    if is_dataclass(result) and not isinstance(result, type | Mapping):
        result = [getattr(result, field.name) for field in fields(result)]
    elif isinstance(result, Mapping):
        result = list(result.values())
    elif isinstance(result, Namespace | SimpleNamespace):
        result = list(vars(result).values())
    if isinstance(result, list | tuple | Set):
        return [tensor for one in result for tensor in output_tensors(one)]
    if isinstance(result, PLAIN) or _is_cache(result):
        return []
    kind = f"{type(result).__module__}.{type(result).__qualname__}"
    raise UnsupportedModelError(
        f"the network returns a {kind}, in which tensors are not looked for; return tensors, or "
        "dictionaries, lists, tuples, dataclasses or namespaces of them"
    )


def _is_cache(result: Any) -> bool:
    return any(
        kind.__name__ == "Cache" and kind.__module__.startswith("transformers.")
        for kind in type(result).__mro__
    )
