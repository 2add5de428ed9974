"""Which module of a network is at work while it is traced."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules import module as hooks


class ModuleNames:
    """The names of a network's modules, noted in the operators that they call."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(module): name for name, module in model.named_modules()}
        self._kinds = {id(module): type(module).__name__ for module in model.modules()}
        self._active: list[int] = []

    @property
    def at_work(self) -> str:
        """The innermost module that has not ended, for a message."""
        if not self._active:
            return ""
        name, kind = self._names[self._active[-1]], self._kinds[self._active[-1]]
        return f", in {name} ({kind})" if name else f", in {kind}"

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the module in ``node.meta["custom"]`` of every operator that is traced."""
        entering = hooks.register_module_forward_pre_hook(self._entered)
        leaving = hooks.register_module_forward_hook(self._left)
        try:
            with fx.traceback.preserve_node_meta():
                yield
        finally:
            entering.remove()
            leaving.remove()

    def _entered(self, module: nn.Module, inputs: Any) -> None:
        # Compilers follow hooks, and refuse what they write.
        if id(module) in self._names and not torch.compiler.is_compiling():
            self._active.append(id(module))
            self._note()

    def _left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        is_compiling = torch.compiler.is_compiling()
        if not is_compiling and self._active and self._active[-1] == id(module):
            self._active.pop()
            self._note()

    def _note(self) -> None:
        fx.traceback.current_meta["custom"] = {"module": self.at_work}


def module_of(node: fx.Node) -> str:
    """The module that called an operator, for a message."""
    return str(node.meta.get("custom", {}).get("module", ""))
