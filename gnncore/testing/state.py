"""What a module keeps: its parameters on disk, after a reset, and as text."""

import copy
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnncore.storage import load_tensors, save_tensors
from gnncore.testing.running import Output, apply, evaluate


def assert_state_round_trip(module: nn.Module, graph: Data) -> None:
    """Saved as safetensors and loaded into a module of other values, it computes the same bits.

    Args:
        module: Layer or model; it is left as it is.
        graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr`` and ``batch``.

    Raises:
        AssertionError: Something that the output depends on is not in the state.
    """
    __tracebackhide__ = True
    other = copy.deepcopy(module)
    _disturb(other, graph)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_tensors(path, {name: value.numpy() for name, value in module.state_dict().items()})
        tensors = load_tensors(path)
    other.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    _assert_same(evaluate(other, graph), evaluate(module, graph), "saved and loaded")


def assert_resets(module: nn.Module, graph: Data, *, seed: int = 0) -> None:
    """``reset_parameters`` draws everything anew, and the same for the same seed.

    A copy is reset, disturbed (all parameters shifted, a pass in training mode, so that running
    statistics move) and reset again; both states must agree, bit for bit.

    Args:
        module: Layer or model; it is left as it is.
        graph: Data to train on.
        seed: Seed of torch's global generator, whose state is put back.

    Raises:
        AssertionError: A parameter or statistic survives, or the seed does not determine it.
    """
    __tracebackhide__ = True
    copied = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        states = []
        for _ in range(2):
            torch.manual_seed(seed)
            copied.reset_parameters()  # type: ignore[operator]
            states.append({name: value.clone() for name, value in copied.state_dict().items()})
            _disturb(copied, graph)
    first, second = states
    survivors = [name for name in first if not torch.equal(first[name], second[name])]
    if survivors:
        raise AssertionError(f"reset_parameters leaves {', '.join(survivors)} as it was")


def assert_readable_repr(module: nn.Module) -> None:
    """``repr`` names the class and, where it has them, ``in_channels`` and ``out_channels``.

    Raises:
        AssertionError: One of them is missing, or there is an address in memory.
    """
    __tracebackhide__ = True
    text = repr(module)
    channels = [getattr(module, name, None) for name in ("in_channels", "out_channels")]
    expected = [type(module).__name__, *(str(c) for c in channels if isinstance(c, int))]
    missing = [part for part in expected if part not in text]
    if missing or " at 0x" in text:
        raise AssertionError(f"repr does not tell {' and '.join(missing) or 'more'}: {text}")


def _disturb(module: nn.Module, graph: Data) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
        training = module.training
        apply(module.train(), graph)
        module.train(training)


def _assert_same(actual: Output, expected: Output, what: str) -> None:
    __tracebackhide__ = True
    pairs: list[tuple[Tensor | None, Tensor | None]]
    pairs = [(actual.nodes, expected.nodes), (actual.edges, expected.edges)]
    for one, other in pairs:
        if (one is None) != (other is None) or (
            one is not None and other is not None and not torch.equal(one, other)
        ):
            raise AssertionError(f"{what}, the module computes something else")
