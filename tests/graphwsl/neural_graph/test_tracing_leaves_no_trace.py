"""Whatever a network keeps while it is traced, it is afterwards what it was."""

import functools
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphwsl.neural_graph import neural_graph
from graphwsl.neural_graph.restoring import is_tracing
from tests.graphwsl.network_families import Wired

SEEN: list[Tensor] = []
LAST: Tensor | None = None


@functools.lru_cache(maxsize=4)
def table(size: int) -> tuple[Tensor, int]:
    return torch.arange(size).float(), size


def helper() -> Tensor:
    return table(4)[0]


class Keeping(nn.Module):
    """Keeps what it computes in every way that people do."""

    shared: ClassVar[dict[str, Tensor]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.register_buffer("mean", torch.zeros(4), persistent=False)
        self.calls = 0
        self.last: Tensor | None = None
        self.cache: dict[Any, Tensor] = {}
        self.ordered = OrderedDict(first=torch.ones(1))
        self.history = [torch.zeros(4)]
        self.recent: deque[Tensor] = deque(maxlen=2)
        self.nested = SimpleNamespace(inner=[{"x": torch.zeros(4)}])
        self.running = torch.zeros(4)

    def forward(self, x: Tensor) -> Tensor:
        global LAST
        self.calls += 1
        y = self.layer(x) + helper()
        # The cache of LeViT: made once from the parameters, and read ever after.
        if "bias" not in self.cache:
            self.cache["bias"] = 2 * self.layer.bias
        y = y + self.cache["bias"]
        self.last = LAST = y
        self.ordered["first"] = y
        self.history.append(y)
        self.recent.append(y)
        self.nested.inner[0]["x"] = y
        self.nested.new = y
        self.running += 1
        self.mean = y.mean(0)
        self.shared["y"] = y
        SEEN.append(y)
        return y + self.running

    def train(self, mode: bool = True) -> "Keeping":
        if mode:
            self.cache = {}
        return super().train(mode)


def content(one: Any) -> Any:
    """Everything in a value, tensors as numbers, to be compared."""
    if isinstance(one, Tensor):
        assert not is_tracing(one)
        return one.tolist()
    if isinstance(one, dict):
        return {key: content(value) for key, value in one.items()}
    if isinstance(one, list | tuple | deque):
        return [content(value) for value in one]
    return content(vars(one)) if isinstance(one, SimpleNamespace) else one


def kept(model: Keeping) -> Any:
    tensors = ("last", "cache", "ordered", "history", "recent", "nested", "running", "mean")
    return content({name: getattr(model, name) for name in ("calls", "shared", *tensors)})


@pytest.mark.parametrize("has_run", [False, True])
@torch.no_grad()
def test_nothing_is_left_behind(has_run: bool) -> None:
    torch.manual_seed(0)
    model = Keeping().eval()
    x = torch.ones(2, 3)
    if has_run:
        model(x)
    lists = [model.history, model.recent, model.cache, model.nested.inner]
    table.cache_clear()
    SEEN.clear()
    before, state = kept(model), content(model.state_dict())
    graph = neural_graph(model, torch.zeros(1, 3))
    # No cache stands in the way of a parameter.
    assert graph.coverage().share_mapped == 1
    assert kept(model) == before
    assert content(model.state_dict()) == state
    now = [model.history, model.recent, model.cache, model.nested.inner]
    assert all(one is other for one, other in zip(lists, now, strict=True))
    assert SEEN == []
    assert not is_tracing(LAST)
    assert not hasattr(model.nested, "new") or has_run
    fresh = Keeping().eval()
    fresh.load_state_dict(model.state_dict())
    fresh.running.copy_(model.running)
    assert torch.equal(model(x), fresh(x))
    assert torch.equal(table(4)[0], torch.arange(4.0))


@torch.no_grad()
def test_hooks_and_closures() -> None:
    captured: list[Tensor] = []
    last: Tensor | None = None
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal last
        captured.append(output)
        last = output

    model[0].register_forward_hook(keep)
    model[1].register_forward_hook(functools.partial(keep))
    model[1].register_forward_pre_hook(lambda module, inputs: SEEN.append(inputs[0]))
    neural_graph(model, torch.zeros(1, 3))
    assert captured == []
    assert last is None
    assert SEEN == [] or not is_tracing(SEEN)
    model(torch.zeros(1, 3))
    assert len(captured) == 2


@torch.no_grad()
def test_inputs_and_random_numbers() -> None:
    """A cache that is handed in is not filled, and nobody's draws change."""

    class Memory:
        def __init__(self) -> None:
            self.keys: list[Tensor] = []

    def forward(m: Any, x: Tensor, memory: Memory) -> Tensor:
        memory.keys.append(m.layer(x))
        return memory.keys[-1] + torch.rand(2) + random.random() + np.random.rand()  # noqa: NPY002

    model, memory, x = Wired(forward, layer=nn.Linear(3, 2)), Memory(), torch.ones(1, 3)
    states = torch.get_rng_state(), random.getstate()
    np.random.seed(0)  # noqa: NPY002
    neural_graph(model, (x, memory))
    assert np.random.rand() == np.random.RandomState(0).rand()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert memory.keys == []
    assert torch.equal(x, torch.ones(1, 3))


def test_after_an_error_too() -> None:
    model = Keeping().eval()
    before = kept(model)
    with pytest.raises(ValueError, match="cannot be traced"):
        neural_graph(model, torch.ones(1, 5))
    assert kept(model) == before


def test_lazy_dictionaries_are_not_woken() -> None:
    class Lazy(dict[str, int]):
        def values(self) -> Any:
            raise AssertionError("woken")

        def __iter__(self) -> Any:
            raise AssertionError("woken")

    model = nn.Linear(3, 2)
    model.registry = Lazy(a=1)
    neural_graph(model, torch.zeros(1, 3))


def levit(t: Any) -> tuple[nn.Module, Any]:
    configuration = t.LevitConfig(
        hidden_sizes=[8, 8, 8],
        key_dim=[4, 4, 4],
        num_attention_heads=[1, 1, 1],
        depths=[1, 1, 1],
        image_size=32,
        patch_size=16,
    )
    return t.LevitModel(configuration), {"pixel_values": torch.ones(1, 3, 32, 32)}


def dinov3(t: Any) -> tuple[nn.Module, Any]:
    sizes = dict.fromkeys(("hidden_size", "intermediate_size"), 8)
    configuration = t.DINOv3ViTConfig(
        num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8, **sizes
    )
    return t.DINOv3ViTModel(configuration), {"pixel_values": torch.ones(1, 3, 16, 16)}


@pytest.mark.parametrize(("make", "unread"), [(levit, 0), (dinov3, 8)])
def test_networks_of_transformers_with_caches(
    make: Callable[[Any], tuple[nn.Module, Any]], unread: int
) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model, inputs = make(transformers)
    with torch.no_grad():
        before = model.eval()(**inputs).last_hidden_state
        coverage = neural_graph(model, inputs).coverage()
        after = model(**inputs).last_hidden_state
    assert coverage.num_parameters - coverage.mapped == unread  # a token for masks
    assert torch.equal(after, before)
