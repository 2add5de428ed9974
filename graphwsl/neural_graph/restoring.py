"""Tracing must not be felt: whatever a network keeps while it runs is put back afterwards.

Networks keep tensors in attributes, lists, caches, closures of hooks. While they are traced, those
are tracing tensors, and a network that found one later would be broken. A copy of the network would
not help, since hooks and closures hold the original.
"""

import functools
import gc
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

FOREIGN = sys.stdlib_module_names | {"numpy", "torch"}
"""Packages whose functions and objects keep nothing of a network."""

CONTAINERS = (dict, list, set, deque)

DEPTH = 6
"""How far a result lies in the cache of a function: a list of results in a chain of calls."""


@contextmanager
def as_before(model: nn.Module, *others: Any, state: Iterable[Tensor] = ()) -> Iterator[None]:
    """Run a block after which everything that a network holds is as it was.

    Restored are containers, attributes, closures and the values of tensors, as deep as they can be
    followed, and the states of the random number generators. What other work may use too (globals
    and attributes of classes in the files of the network's classes and hooks, functions with a
    cache) is restored where a tracing tensor has got into it.

    Args:
        model: The network.
        others: Whatever else it is given.
        state: Tensors that the block leaves alone; all others that can be reached are copied.
    """
    walk = _Walk({type(module).__module__ for module in model.modules()}, state)
    for owner in (model, *others):
        walk.visit(owner)
    draws, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(draws)
        np.random.set_state(numbers)  # noqa: NPY002
        for restore in walk.restores:
            restore()


def is_tracing(value: Any) -> bool:
    """Whether a value is a tensor of the tracing, or a container of one."""
    if isinstance(value, (*CONTAINERS, tuple, frozenset)):
        return any(is_tracing(one) for one in _members(value))
    if type(value) is Tensor and torch._is_functional_tensor(value):
        return True
    return isinstance(value, FunctionalTensor | FakeTensor)


class _Walk:
    """Everything that can be reached, with how to put it back."""

    def __init__(self, files: set[str], state: Iterable[Tensor]) -> None:
        self.restores: list[Callable[[], None]] = []
        self._files = {name for name in files if name.split(".")[0] not in FOREIGN}
        self._seen: dict[int, Any] = {id(tensor): tensor for tensor in state}

    def visit(self, value: Any) -> None:
        """Take note of a value and of all that it holds."""
        waiting = [(value, True)]
        while waiting:
            one, own = waiting.pop()
            if id(one) in self._seen or isinstance(one, str | bytes | int | float | type(None)):
                continue
            self._seen[id(one)] = one
            waiting += self._held(one, own)

    def _held(self, one: Any, own: bool) -> Iterator[tuple[Any, bool]]:
        """What a value holds, and whether that belongs to the network alone."""
        if isinstance(one, Tensor):
            if own:  # the network may write to it
                self._note(_rewrite, one, one.detach().clone(), one._version)
        elif isinstance(one, CONTAINERS):
            self._note(_refilled, one, _content(one), own)
            yield from ((held, own) for held in _members(one))
        elif isinstance(one, tuple | frozenset):
            yield from ((held, own) for held in one)
        elif isinstance(one, functools.partial):
            yield from ((held, own) for held in (one.func, one.args, one.keywords))
        elif isinstance(one, MethodType):
            yield from ((held, own) for held in (one.__self__, one.__func__))
        elif isinstance(one, functools._lru_cache_wrapper):
            self._note(_forget, one)
            yield one.__wrapped__, False
        elif isinstance(one, FunctionType):
            yield from self._of_function(one, own)
        elif isinstance(one, staticmethod | classmethod):
            yield one.__func__, False
        elif isinstance(one, property):
            yield from ((held, False) for held in (one.fget, one.fset))
        elif isinstance(one, type):
            if one.__module__ in self._files:
                yield from ((held, False) for held in [*vars(one).values(), *one.__mro__])
        elif isinstance(one, nn.Module) or _is_plain(one):
            yield vars(one), own
            yield type(one), False

    def _of_function(self, function: FunctionType, own: bool) -> Iterator[tuple[Any, bool]]:
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # not filled yet
                self._note(_rebound, cell, cell.cell_contents, own)
                yield cell.cell_contents, own
        for defaults in (function.__defaults__, function.__kwdefaults__):
            yield defaults, own
        file = function.__module__ or ""
        if file in self._files or (own and file.split(".")[0] not in FOREIGN):
            for name in _names(function.__code__):
                if name in function.__globals__:
                    held = function.__globals__[name]
                    self._note(_renamed, function.__globals__, name, held)
                    yield held, False

    def _note(self, restore: Callable[..., None], *arguments: Any) -> None:
        self.restores.append(functools.partial(restore, *arguments))


def _members(container: Any) -> list[Any]:
    # Lazy dictionaries load half a package when they are asked for their values.
    return list(dict.values(container) if isinstance(container, dict) else container)


def _content(container: Any) -> Any:
    return dict(dict.items(container)) if isinstance(container, dict) else list(container)


def _refilled(container: Any, content: Any, own: bool) -> None:
    now = _content(container)
    keys = (list(now), list(content)) if isinstance(content, dict) else (0, 0)
    before, after = _members(content), _members(now)
    is_same = keys[0] == keys[1] and len(before) == len(after)
    if is_same and all(one is other for one, other in zip(before, after, strict=True)):
        return
    if own or is_tracing(now):
        container.clear()
        (container.extend if isinstance(container, list | deque) else container.update)(content)


def _rebound(cell: CellType, content: Any, own: bool) -> None:
    now = None
    with suppress(ValueError):
        now = cell.cell_contents
    if now is not content and (own or is_tracing(now)):
        cell.cell_contents = content


def _renamed(names: dict[str, Any], name: str, value: Any) -> None:
    if names.get(name) is not value and is_tracing(names.get(name)):
        names[name] = value


def _rewrite(tensor: Tensor, value: Tensor, version: int) -> None:
    if tensor._version != version:
        with torch.no_grad():
            tensor.copy_(value)


def _forget(function: Any) -> None:
    """Empty the cache of a function, which the garbage collector alone can look into."""
    waiting, seen = [(function, 0)], set()
    while waiting:
        one, depth = waiting.pop()
        if is_tracing(one):
            function.cache_clear()
            return
        is_cache = isinstance(one, (*CONTAINERS, tuple)) or "lru" in type(one).__name__
        if is_cache and depth < DEPTH and id(one) not in seen:
            seen.add(id(one))
            waiting += [(held, depth + 1) for held in gc.get_referents(one)]


def _names(code: CodeType) -> Iterator[str]:
    """Names that code may look up among its globals, that of inner functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_plain(one: Any) -> bool:
    """Whether a value is an object of some package's or the user's own class."""
    package = type(one).__module__.split(".")[0]
    is_known = package in sys.stdlib_module_names and type(one).__module__ != "types"
    return not isinstance(one, ModuleType | CodeType) and not is_known and hasattr(one, "__dict__")
