"""A network by a name that fits on a command line."""

import importlib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gnncore.storage import StorageError
from gnncore.storage.reading import open_file
from graphwsl.arguments import as_path
from graphwsl.errors import GraphwslError, ImportedModelError

_LONGEST_REASON = 300
ExampleInputs = Tensor | tuple[Any, ...] | dict[str, Any]


def load_model(
    reference: str | os.PathLike[str], *, shapes: Mapping[str, Sequence[int]] | None = None
) -> tuple[nn.Module, ExampleInputs]:
    """A network and inputs on which it runs.

    Args:
        reference: An ONNX file; or ``package.module:factory``, a function without arguments that
            returns a network, or a network and its example inputs. Modules are looked for in the
            working folder first, as ``python -m`` does, and run code: name none that you do not
            trust.
        shapes: Shapes of the inputs by name, where an ONNX file leaves them open. A factory that
            returns a network alone gets random inputs of these shapes, by name.

    Raises:
        ImportedModelError: There is no such file, module or function, or it returns something
            else, raises, or asks Python to exit.
        UnsupportedModelError: The file uses what is not supported, or the network does not run on
            inputs of guessed shapes.

    >>> load_model("lenet.onnx")
    Traceback (most recent call last):
    graphwsl.errors.ImportedModelError: cannot read 'lenet.onnx': No such file or directory
    """
    text = reference if isinstance(reference, str) else os.fspath(as_path("reference", reference))
    if text.endswith(".onnx"):
        try:
            with open_file(text):  # before the optional package is asked for
                pass
        except StorageError as error:
            raise ImportedModelError(str(error)) from error
        from graphwsl.imports.onnx import from_onnx

        module = from_onnx(text)
        return module, module.example_inputs(shapes)
    path, colon, name = text.rpartition(":")
    if not colon or not path or not name:
        raise ImportedModelError(
            f"{text!r} is neither a file that ends in .onnx nor of the form package.module:factory"
        )
    made = _made(text, path, name)
    if isinstance(made, nn.Module):
        return made, _drawn(text, made, shapes)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        network, inputs = made
        if isinstance(inputs, Tensor | tuple | dict):
            return network, inputs
        raise ImportedModelError(
            f"the example inputs of {text!r} must be a tensor, a tuple or a dictionary, "
            f"got {type(inputs).__name__}"
        )
    raise ImportedModelError(
        f"{text!r} must return a module, or a module and its example inputs, "
        f"got {type(made).__name__}"
    )


def _made(text: str, path: str, name: str) -> Any:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(path)
        for part in name.split("."):
            found = getattr(found, part)
        if isinstance(found, nn.Module) or not callable(found):
            return found
        return found()
    except (GraphwslError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever the code of the module raises, exits included
        raise ImportedModelError(f"{text!r} gives no network: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """What code of the user raised, in one line; even its text is made by their code."""
    try:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
    except Exception:
        reason = "its text cannot be shown"
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _drawn(
    text: str, network: nn.Module, shapes: Mapping[str, Sequence[int]] | None
) -> ExampleInputs:
    names, needed, takes_any = _inputs_of(network)
    listed = f"whose names are {', '.join(names)}" if names else "by name"
    if not shapes:
        raise ImportedModelError(
            f"{text!r} returns a network without example inputs; return both, or give the shapes "
            f"of its inputs, {listed} (--shape NAME=1,3)"
        )
    unexpected = [] if takes_any else [name for name in shapes if name not in names]
    missing = [name for name in needed if name not in shapes]
    if unexpected or missing:
        what = (
            f"has no input {unexpected[0]!r}" if unexpected else f"needs the input {missing[0]!r}"
        )
        raise ImportedModelError(
            f"the network of {text!r} {what}; give the shapes of its inputs, {listed}"
        )
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(tuple(shape), generator=generator) for name, shape in shapes.items()}


def _inputs_of(network: nn.Module) -> tuple[list[str], list[str], bool]:
    """Names of the inputs of a network, of those without a default, and whether any name does."""
    try:
        parameters = inspect.signature(network.forward).parameters.values()
    except (TypeError, ValueError):  # of code that tells nothing of itself
        return [], [], True
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    needed = [p.name for p in named if p.default is p.empty]
    return [p.name for p in named], needed, takes_any
