"""What a network does with its weights, as a text: the same text, the same function."""

import functools
import hashlib
import types
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

SCALARS = (bool, int, float, str)
OF_MODULES = frozenset(vars(nn.Module()))
DEEPEST = 8

Known = dict[int, str]
"""Names of the modules that are described already or meanwhile, by their ``id``."""


def program_of(module: nn.Module, inputs: Any) -> str:
    """A description that is the same for networks of the same function alone.

    Everything that parts of the network keep beside weights and other parts counts: numbers,
    texts, lists, tensors, functions with what they enclose. What cannot be looked into counts as
    itself, so that two networks that hold such objects of their own are taken for two functions.

    Args:
        module: The network. Its weights do not matter, but those of networks that it hides in lists
            do, which no state holds.
        inputs: Examples of what it takes.
    """
    return _of_network(module, inputs, {})


def _of_network(module: nn.Module, inputs: Any, known: Known) -> str:
    known = known | {id(part): name for name, part in module.named_modules()}
    settings = [
        f"{name}.{key}={value!r}" if _is_plain(value) else f"{name}.{key}: {_of(value, known)}"
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if _counts(part, key, value)
    ]
    return "\n".join([str(module), str(_shape(inputs)), *settings])


def _is_plain(value: Any) -> bool:
    """Whether ``repr`` says all of a value, wherever it is written."""
    if type(value) is tuple:
        return all(one is None or _is_plain(one) for one in value)
    return isinstance(value, SCALARS)


def _counts(part: nn.Module, key: str, value: Any) -> bool:
    if key in OF_MODULES:
        return False
    if isinstance(value, (*SCALARS, tuple)) and not key.startswith("_"):
        return True
    # Pruning and norms of weights keep what they make of parameters.
    if isinstance(value, Tensor) and (
        value.grad_fn is not None or any(name.startswith(f"{key}_") for name in part._parameters)
    ):
        return False
    # What modules of torch keep for themselves follows from what they show.
    is_private_of_torch = key.startswith("_") and type(part).__module__.startswith("torch.nn.")
    return value is not None and not is_private_of_torch


def _of(value: Any, known: Known, depth: int = 0) -> str:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, torch.dtype | torch.device | torch.Size | type):
        return repr(value)
    if depth > DEEPEST:
        return f"{type(value).__qualname__} {id(value)}"

    def inner(one: Any) -> str:
        return _of(one, known, depth + 1)

    if isinstance(value, Tensor):
        numbers = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()
        return f"{value.dtype} {tuple(value.shape)} {_hashed(numbers.tobytes())}"
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
        return _of_function(value, known, depth)
    if isinstance(value, types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if id(value) in known:
        return f"module {known[id(value)]!r}"
    if isinstance(value, nn.Module):  # hidden from the state, so that its weights do not change
        return f"{_of_network(value, (), known)} {inner(value.state_dict())}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"{kind} {inner(vars(value)) if hasattr(value, '__dict__') else id(value)}"


def _of_function(function: types.FunctionType, known: Known, depth: int) -> str:
    enclosed = [
        cell.cell_contents if cell != types.CellType() else "no value yet"
        for cell in function.__closure__ or ()
    ]
    parts = (enclosed, function.__defaults__, function.__kwdefaults__)
    described = ", ".join(_of(part, known, depth + 1) for part in parts)
    name = f"{function.__module__}.{function.__qualname__}"
    return f"{name} {_hashed(_of_code(function.__code__).encode())} {described}"


def _of_code(code: types.CodeType) -> str:
    """What a function does, those that are defined inside it included; no address of any."""
    constants = [
        _of_code(one) if isinstance(one, types.CodeType) else _of(one, {}) for one in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _shape(inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return tuple(inputs.shape)
    if isinstance(inputs, Mapping):
        return {name: _shape(one) for name, one in inputs.items()}
    return tuple(map(_shape, inputs)) if isinstance(inputs, Sequence) else inputs
