"""What a network does with its weights, as a text: the same text, the same function."""

import functools
import hashlib
import types
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

PLAIN = (bool, int, float, str, tuple)
OF_MODULES = frozenset(vars(nn.Module()))
DEEPEST = 8


def program_of(module: nn.Module, inputs: Any) -> str:
    """A description that is the same for networks of the same function alone.

    Everything that parts of the network keep beside weights and other parts counts: numbers,
    texts, lists, tensors, functions with what they enclose. What cannot be looked into counts as
    itself, so that two networks that hold such objects of their own are taken for two functions.

    Args:
        module: The network; its weights do not matter.
        inputs: Examples of what it takes.
    """
    settings = [
        f"{name}.{key}={value!r}" if isinstance(value, PLAIN) else f"{name}.{key}: {_of(value)}"
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if _counts(part, key, value)
    ]
    return "\n".join([str(module), str(_shape(inputs)), *settings])


def _counts(part: nn.Module, key: str, value: Any) -> bool:
    if key in OF_MODULES:
        return False
    if isinstance(value, PLAIN) and not key.startswith("_"):
        return True
    # Pruning and norms of weights keep what they make of parameters.
    if isinstance(value, Tensor) and (
        value.grad_fn is not None or any(name.startswith(f"{key}_") for name in part._parameters)
    ):
        return False
    # What modules of torch keep for themselves follows from what they show.
    is_private_of_torch = key.startswith("_") and type(part).__module__.startswith("torch.nn.")
    return value is not None and not is_private_of_torch


def _of(value: Any, depth: int = 0) -> str:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, torch.dtype | torch.device | torch.Size | type):
        return repr(value)
    if depth > DEEPEST:
        return f"{type(value).__qualname__} {id(value)}"

    def inner(one: Any) -> str:
        return _of(one, depth + 1)

    if isinstance(value, Tensor):
        numbers = value.detach().cpu().contiguous()
        hashed = hashlib.sha256(
            numbers.view(torch.uint8).numpy().tobytes()
            if numbers.ndim
            else repr(numbers.item()).encode()
        ).hexdigest()
        return f"{numbers.dtype} {tuple(numbers.shape)} {hashed}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(key)}: {inner(one)}' for key, one in value.items())}}}"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, Sequence):
        return f"{type(value).__name__} [{', '.join(map(inner, value))}]"
    if isinstance(value, functools.partial):
        return f"partial {inner(value.func)} {inner(value.args)} {inner(value.keywords)}"
    if isinstance(value, types.MethodType):
        return f"{value.__func__.__qualname__} of {inner(value.__self__)}"
    if isinstance(value, types.FunctionType):
        return _of_function(value, depth)
    if isinstance(value, types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, nn.Module):
        return f"{value} {inner({k: v for k, v in vars(value).items() if k not in OF_MODULES})}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"{kind} {inner(vars(value)) if hasattr(value, '__dict__') else id(value)}"


def _of_function(function: types.FunctionType, depth: int) -> str:
    code = function.__code__
    names = hashlib.sha256(repr((code.co_code, code.co_names, code.co_varnames)).encode())
    constants = [one for one in code.co_consts if not isinstance(one, types.CodeType)]
    inside = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    enclosed = [cell.cell_contents for cell in function.__closure__ or ()]
    parts = (constants, enclosed, function.__defaults__, function.__kwdefaults__)
    described = ", ".join(_of(part, depth + 1) for part in parts)
    within = [hashlib.sha256(repr((c.co_code, c.co_consts)).encode()).hexdigest() for c in inside]
    return f"{function.__module__}.{function.__qualname__} {names.hexdigest()} {described} {within}"


def _shape(inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return tuple(inputs.shape)
    if isinstance(inputs, Mapping):
        return {name: _shape(one) for name, one in inputs.items()}
    return tuple(map(_shape, inputs)) if isinstance(inputs, Sequence) else inputs
