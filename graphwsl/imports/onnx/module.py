"""An ONNX graph as a torch module."""

import math
import os
from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from functools import partial, reduce

import torch
from torch import Tensor, nn

from graphwsl.arguments import as_path
from graphwsl.errors import GraphwslError, ImportedModelError, UnsupportedModelError
from graphwsl.imports.onnx.evaluation import evaluate
from graphwsl.imports.onnx.graph import Graph, Node, parse_model
from graphwsl.imports.onnx.inputs import InputType, input_types
from graphwsl.imports.onnx.limits import MOST_INPUTS, Budget, size_of
from graphwsl.imports.onnx.operators import (
    activations,
    arithmetic,
    control,
    convolution,
    indexing,
    normalisation,
    pooling,
    products,
    quantisation,
    recurrent,
    reductions,
    resize,
    shapes,
)
from graphwsl.imports.onnx.reading import MAX_BYTES, read_model
from graphwsl.imports.onnx.registry import Call, Value, lookup
from graphwsl.imports.onnx.values import to_array, to_tensor
from graphwsl.imports.onnx.weights import state_names, statistics_names, weight_names

OPERATOR_GROUPS = (
    activations,
    arithmetic,
    control,
    convolution,
    indexing,
    normalisation,
    pooling,
    products,
    quantisation,
    recurrent,
    reductions,
    resize,
    shapes,
)
"""Modules that fill the registry."""

FREE_SIZES = (64, 224, 16, 1)
"""Tried one after the other for sizes that a file leaves open."""


class OnnxModule(nn.Module):
    """Computes an ONNX graph with torch operators.

    The weights of the graph, whether initialisers or Constant nodes, are parameters; running
    statistics and quantised weights are buffers. What can be computed without weights and inputs,
    such as shapes, is computed beforehand by ONNX's reference evaluator, so a trace of the module
    holds nothing but the network. Nodes that work on weights alone stay in the program.

    Args:
        graph: The graph.
        inputs: Its inputs.
        scalars: Whether initialisers without a dimension are parameters too.

    Attributes:
        inputs: Name, type and declared shape of each input.
        output_names: Names of the outputs.
        onnx_names: From the names in the ``state_dict`` to those in the file.

    Raises:
        UnsupportedModelError: A node has an operator that nothing is known of.
    """

    def __init__(self, graph: Graph, inputs: Iterable[InputType], *, scalars: bool = False) -> None:
        super().__init__()
        self.graph = graph
        self.inputs = tuple(inputs)
        self.output_names = graph.outputs
        found = [(part, name) for part in graph.nested() for name in weight_names(part, scalars)]
        reserved = {*vars(self), "onnx_names", "_scopes", "_sample"}
        names = state_names((name for _, name in found), reserved)
        self.onnx_names = {state: name for state, (_, name) in zip(names, found, strict=True)}
        self._scopes: dict[Graph, dict[str, str]] = {}
        self._sample: tuple[str, torch.dtype] | None = None
        statistics = {part: statistics_names(part) for part in graph.nested()}
        for state, (part, name) in zip(names, found, strict=True):
            tensor = to_tensor(part.tensors.pop(name))
            if self._sample is None and tensor.is_floating_point():
                self._sample = (state, tensor.dtype)
            self._scopes.setdefault(part, {})[name] = state
            self._register(state, tensor, buffer=name in statistics[part])
        self.eval()

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the network of the file on inputs.

        Args:
            inputs: The inputs in the order of the file.
            named: Further inputs by their names.

        Returns:
            The output, or a tuple where the graph has several.

        Raises:
            UnsupportedModelError: An input is missing or does not exist, or a node asks for
                something that is not supported.
            ImportedModelError: It runs more operators, or computes more, than its inputs explain.
        """
        outputs = self._outputs(inputs, named, Budget.of((*inputs, *named.values())))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _outputs(
        self, inputs: Sequence[Tensor], named: Mapping[str, Tensor], budget: Budget
    ) -> list[Tensor]:
        names = self.graph.inputs
        given: dict[str, Value] = {**dict(zip(names, inputs, strict=False)), **named}
        if len(inputs) + len(named) != len(names) or set(given) != set(names):
            raise UnsupportedModelError(
                f"the inputs are {', '.join(names)}; got {len(inputs)} by position"
                + (f" and {', '.join(named)}" if named else "")
            )
        devices = {tensor.device for tensor in (*inputs, *named.values())} or {torch.device("cpu")}
        results = self._run(self.graph, given, {}, budget)
        return [to_tensor(one, next(iter(devices))) for one in results]

    def example_inputs(
        self, shapes: Mapping[str, Sequence[int]] | None = None, *, seed: int = 0
    ) -> tuple[Tensor, ...]:
        """Random inputs on which the network runs: one example, normal values, integers 0 or 1.

        Free sizes other than the batch take the first of 64, 224, 16, 1 with which it runs.

        Args:
            shapes: Shapes of inputs by name, instead of those that the file declares.
            seed: Seed of the values.

        Raises:
            UnsupportedModelError: The network runs with none of these sizes, or an input that is
                named does not exist.
            ImportedModelError: It asks for very large inputs, runs without end, or computes
                more than its inputs explain.
        """
        shapes = shapes or {}
        if unknown := set(shapes) - set(self.graph.inputs):
            raise UnsupportedModelError(
                f"there is no input {sorted(unknown)[0]!r}; the inputs are "
                f"{', '.join(self.graph.inputs)}"
            )
        failure: UnsupportedModelError | None = None
        for free in FREE_SIZES:
            generator = torch.Generator().manual_seed(seed)
            wanted = [tuple(shapes.get(one.name, one.sized(free))) for one in self.inputs]
            _require_small(self.inputs, wanted)
            drawn = tuple(
                one.draw(shape, generator) for one, shape in zip(self.inputs, wanted, strict=True)
            )
            try:
                with torch.no_grad():
                    self._outputs(drawn, {}, Budget())
            except UnsupportedModelError as error:
                failure = failure or error
            else:
                return drawn
        raise UnsupportedModelError(
            "the network does not run on inputs of the shapes "
            f"{ {one.name: one.shape for one in self.inputs} }; give their shapes: {failure}"
        )

    def extra_repr(self) -> str:
        """How many nodes it runs, and on which inputs."""
        return f"{len(self.graph.nodes)} nodes, inputs {', '.join(self.graph.inputs)}"

    def _run(
        self,
        graph: Graph,
        given: Mapping[str, Value],
        outer: MutableMapping[str, Value],
        budget: Budget,
    ) -> list[Value]:
        budget.step(f"a step of {len(graph.nodes)} nodes")
        own: dict[str, Value] = {**graph.tensors}
        for name, state in self._scopes.get(graph, {}).items():
            own[name] = self._state(state)
        own.update(given)
        values = ChainMap(own, outer)
        held: dict[str, int] = {}
        for node, done in zip(graph.nodes, graph.last_uses, strict=True):
            inputs = [_value(values, name, node) if name else None for name in node.inputs]
            budget.step(node)
            budget.foresee(node, inputs)
            left = budget.bytes
            results = self._execute(node, inputs, values, budget)
            budget.bytes = left  # what branches hold until they end
            for name, result in zip(node.outputs, results, strict=False):
                held[name] = size_of(result)
                budget.take(node, held[name])
                own[name] = result
            for name in done:
                budget.bytes += held.pop(name, 0)
                own.pop(name, None)
        return [_value(values, name, "the output") for name in graph.outputs]

    def _execute(
        self,
        node: Node,
        inputs: list[Value | None],
        values: MutableMapping[str, Value],
        budget: Budget,
    ) -> Iterable[Value]:
        if not node.branches and not any(isinstance(one, Tensor) for one in inputs):
            return evaluate(node, inputs)
        known = lookup(node)
        types = self._types()
        device = next((one.device for one in inputs if isinstance(one, Tensor)), None)
        call = Call(node, partial(self._branch, values=values, budget=budget), types)
        arguments = [
            one
            if one is None
            else to_array(one)
            if index in known.settings
            else to_tensor(one, device, types)
            for index, one in enumerate(inputs)
        ]
        try:
            result = known.function(call, *arguments)
        except GraphwslError:
            raise
        # The inputs and attributes of a file may be anything.
        except Exception as error:
            shapes = [None if one is None else tuple(one.shape) for one in inputs]
            reason = " ".join(str(error).split())[:300]
            raise UnsupportedModelError(
                f"{node} does not run on inputs of shapes {shapes}: {reason}"
            ) from error
        results: Iterable[Value] = result if isinstance(result, tuple | list) else (result,)
        return results

    def _branch(
        self,
        graph: Graph,
        inputs: list[Value],
        values: MutableMapping[str, Value],
        budget: Budget,
    ) -> list[Value]:
        return self._run(graph, dict(zip(graph.inputs, inputs, strict=True)), values, budget)

    def _types(self) -> dict[torch.dtype, torch.dtype]:
        """The type of the weights in the file, and what it is now."""
        if self._sample is None:
            return {}
        name, dtype = self._sample
        return {dtype: self._state(name).dtype}

    def _state(self, name: str) -> Tensor:
        # Looked up each time: functional calls put other tensors in their place.
        tensor: Tensor = reduce(getattr, name.split("."), self)  # type: ignore[assignment]
        return tensor

    def _register(self, name: str, tensor: Tensor, *, buffer: bool) -> None:
        *way, last = name.split(".")
        module: nn.Module = self
        for part in way:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        if buffer or not tensor.is_floating_point():
            module.register_buffer(last, tensor)
        else:
            module.register_parameter(last, nn.Parameter(tensor))


def from_onnx(
    source: str | os.PathLike[str] | bytes, *, scalars: bool = False, max_bytes: int = MAX_BYTES
) -> OnnxModule:
    """The network of an ONNX file as a torch module in evaluation mode.

    Needs the optional package ``onnx``. The file may come from anywhere: nothing of it is executed
    but the operators of the registry, and nothing is read outside its folder.

    Args:
        source: The file, or its contents.
        scalars: Whether initialisers without a dimension are parameters too, such as a learnt
            temperature. By default they are numbers of the formula.
        max_bytes: Limit on the file, and on each file of external data [bytes].

    Raises:
        ImportedModelError: The file is missing, too large or damaged, or refers to data outside
            its folder.
        UnsupportedModelError: It uses an operator, type or feature that is not supported; the
            message names the node.

    >>> module = from_onnx("model.onnx")  # doctest: +SKIP
    >>> graph = graphwsl.neural_graph(module, module.example_inputs())  # doctest: +SKIP
    """
    if not isinstance(source, bytes):
        as_path("source", source)
    try:
        model = read_model(source, max_bytes=max_bytes)
        return OnnxModule(parse_model(model), input_types(model), scalars=scalars)
    except GraphwslError:
        raise
    # A damaged message can make its readers raise anything.
    except Exception as error:
        name = f"{len(source)} bytes" if isinstance(source, bytes) else repr(os.fspath(source))
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ImportedModelError(f"{name} is a damaged ONNX model: {reason}") from error


def _require_small(inputs: Sequence[InputType], shapes: Sequence[tuple[int, ...]]) -> None:
    for one, shape in zip(inputs, shapes, strict=True):
        if any(size < 0 for size in shape) or math.prod(shape) > MOST_INPUTS:
            raise ImportedModelError(
                f"input {one.name!r} of shape {shape} has more than {MOST_INPUTS:,} elements or "
                "none; give a smaller shape"
            )


def _value(values: Mapping[str, Value], name: str, reader: object) -> Value:
    try:
        return values[name]
    except KeyError:
        raise ImportedModelError(
            f"{reader} reads {name!r}, which nothing before it computes; the file is damaged"
        ) from None
