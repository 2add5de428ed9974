"""Compacted networks compute the same, and hold what is left of their weights."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphwsl.errors import GraphwslError, UnsupportedModelError
from graphwsl.generators.lora import adapted
from graphwsl.sparsification import compact, compared
from tests.graphwsl.generators.lora.lora_cases import base
from tests.graphwsl.network_families import FAMILIES, Wired, network, randomised
from tests.graphwsl.random_programs import draw_program, inputs_of
from tests.graphwsl.sparsification.sparse_cases import (
    drawn_like,
    largest_difference,
    sizes,
    with_dead_parts,
)

Sequential = nn.Sequential
IMAGES = (torch.zeros(2, 3, 9, 9, dtype=torch.float64),)


def assert_same(model: nn.Module, inputs: tuple[Tensor, ...], limit: float = 1e-12) -> nn.Module:
    """The compacted network computes the same on fresh inputs of any number of samples."""
    small = compact(model, inputs)
    for seed in (1, 2):
        fresh = drawn_like(inputs, seed)
        if seed == 2 and small.any_batch:
            fresh = tuple(torch.cat([one, one[:1]]) for one in fresh)
        with torch.no_grad():
            assert largest_difference(model(*fresh), small(*fresh)) <= limit
    return small


def dead(model: nn.Module, rows: dict[str, Any], columns: dict[str, Any] | None = None) -> None:
    """Zeros in these rows and columns of weights."""
    with torch.no_grad():
        for name, some in rows.items():
            model.get_parameter(name)[some] = 0
        for name, some in (columns or {}).items():
            model.get_parameter(name)[:, some] = 0


def test_neurons_that_are_constant_or_not_read() -> None:
    model = randomised(Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double())
    dead(model, {"0.weight": [0, 1]}, {"2.weight": [2]})
    small = assert_same(model, (torch.zeros(1, 3, dtype=torch.float64),))
    assert sizes(small.program) == {
        "0.weight": (2, 3),
        "0.bias": (2,),
        "2.weight": (2, 2),
        "2.bias": (2,),
    }
    # What the constant neurons added is in the bias.
    constant = model[0].bias[:2].relu()
    expected = model[2].bias + model[2].weight[:, :2] @ constant
    assert torch.allclose(small.program.get_parameter("2.bias"), expected)


def test_constant_channels_where_borders_are_padded() -> None:
    """They become one channel of ones, which is exact at the border."""
    model = Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3, padding=1),
    )
    model = randomised(model.double())
    dead(model, {"0.weight": [1, 2, 4]})
    model[1].bias.data[:5] = 0.7
    small = assert_same(model, IMAGES)
    assert sizes(small.program)["0.weight"] == (3, 3, 3, 3)
    assert sizes(small.program)["3.weight"] == (4, 3 + 1, 3, 3)
    without = Sequential(model[0], model[1], model[2], nn.Conv2d(6, 4, 3)).double()
    without[3].load_state_dict(model[3].state_dict())
    assert sizes(assert_same(without, IMAGES).program)["3.weight"] == (4, 3, 3, 3)


def test_channels_of_a_residual_sum() -> None:
    """A channel goes if all that is added up in it is constant."""
    stem, branch = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)

    def wiring(m: Any, x: Tensor) -> Tensor:
        x = m.stem(x)
        return m.head((x + m.branch(x.relu())).relu().mean((2, 3)))

    model = randomised(Wired(wiring, stem=stem, branch=branch, head=nn.Linear(6, 2)).double())
    dead(model, {"stem.weight": [0, 1, 2], "branch.weight": [0, 1, 5]})
    found = sizes(assert_same(model, IMAGES).program)
    assert found["stem.weight"] == (3, 3, 3, 3)
    assert found["branch.weight"][0] == 3
    assert found["head.weight"] == (2, 4)


def test_concatenated_channels() -> None:
    model = randomised(FAMILIES["dense net"][0]().double())
    dead(model, {"first.weight": [0], "second.weight": [1, 2]})
    found = sizes(assert_same(model, (torch.zeros(1, 2, 5, 5, dtype=torch.float64),)).program)
    assert found["first.weight"] == (2, 2, 3, 3)
    assert found["second.weight"][0] == 2
    assert found["head.weight"] == (3, 2 + 2 + 2)


def test_flattened_images() -> None:
    model = Sequential(
        nn.Conv2d(3, 6, 3), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(54, 4)
    )
    model = randomised(model.double())
    dead(model, {"0.weight": [0, 3]})
    found = sizes(assert_same(model, IMAGES).program)
    assert found["0.weight"] == (4, 3, 3, 3)
    assert found["4.weight"] == (4, 36)


def test_what_was_frozen_stays_frozen() -> None:
    """Also the bias that a constant went into, and a whole base beside which adapters move."""
    model = randomised(Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double())
    dead(model, {"0.weight": [0, 1]})
    moves = {name: one.requires_grad for name, one in model.named_parameters()}
    assert set(moves.values()) == {True}
    for frozen in (["0.weight", "0.bias"], ["2.weight", "2.bias"], list(moves), []):
        for name, one in model.named_parameters():
            one.requires_grad_(name not in frozen)
        small = assert_same(model, (torch.zeros(1, 3, dtype=torch.float64),))
        found = {name: one.requires_grad for name, one in small.program.named_parameters()}
        assert found == {name: name not in frozen for name in moves}
    network = adapted(base(), rank=2)
    for name, one in network.named_parameters():
        one.requires_grad_("lora" in name)
        one.data.normal_()
    small = assert_same(network, (torch.zeros(1, 5),), 1e-5)
    assert {name for name, one in small.program.named_parameters() if one.requires_grad} == {
        name for name, one in network.named_parameters() if one.requires_grad
    }


def test_groups_and_depths() -> None:
    model = Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 12, 1, groups=4),
        nn.Flatten(), nn.Linear(12 * 49, 2),
    )  # fmt: skip
    model = randomised(model.double())
    dead(model, {"1.weight": [0, 1, 2, 7], "2.weight": [4, 5]})
    found = sizes(assert_same(model, IMAGES).program)
    # The first group of the last reads nothing: its outputs are constant.
    assert found["1.weight"] == (6, 1, 3, 3) or found["1.weight"] == (4, 1, 3, 3)
    assert found["2.weight"][0] <= 9


def test_heads_of_attention() -> None:
    model = network("relative positions", torch.float64)[0]
    with torch.no_grad():
        model.out.weight[:, 2:4] = 0  # nothing reads the second of three heads
    small = assert_same(model, (torch.zeros(2, 4, 6, dtype=torch.float64),))
    found = sizes(small.program)
    assert found["qkv.weight"] == (12, 6)
    assert found["out.weight"] == (6, 4)


class SplitLayers(nn.Module):
    """Two layers whose weights and biases are parts of one tensor, as in files of ONNX."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 6)
        self.weight, self.bias = nn.Parameter(torch.zeros(8, 6)), nn.Parameter(torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        pairs = zip(self.weight.split(4), self.bias.split(4), strict=True)
        return sum(nn.functional.linear(x, weight, bias) for weight, bias in pairs)


def test_parts_of_a_split_tensor_are_weights() -> None:
    model = randomised(SplitLayers().double())
    dead(model, {"first.weight": [0, 1, 2, 3]})
    small = assert_same(model, (torch.zeros(1, 3, dtype=torch.float64),))
    parameters = sum(one.numel() for one in small.program.parameters())
    assert parameters == (2 * 3 + 2) + 2 * (4 * 2 + 4)


def test_a_network_without_dead_parts_keeps_all() -> None:
    model = randomised(FAMILIES["residual"][0]().double())
    small = assert_same(model, (torch.zeros(1, 2, 5, 5, dtype=torch.float64),))
    assert sizes(small.program) == sizes(model)
    table = compared(model, small, torch.zeros(1, 2, 5, 5, dtype=torch.float64), repetitions=1)
    assert table.before.parameters == table.after.parameters
    assert "parameters" in str(table)


QUICK = ("batch norm", "channel shuffle", "encoder layer", "tied")


def check_family(name: str, share: float, dtype: torch.dtype, limit: float) -> None:
    model, inputs = network(name, dtype)
    with_dead_parts(model, share)
    with torch.no_grad():
        if not all(one.isfinite().all() for one in drawn_outputs(model, inputs)):
            pytest.skip("zeros in weights make it NaN")
    small = assert_same(model, drawn_like(inputs), limit)
    assert sum(map(Tensor.numel, small.parameters())) < sum(map(Tensor.numel, model.parameters()))


def drawn_outputs(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    from graphwsl.neural_graph.outputs import output_tensors

    return output_tensors(model(*drawn_like(inputs)))


@pytest.mark.parametrize("name", QUICK)
def test_families(name: str) -> None:
    check_family(name, 0.5, torch.float64, 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.2, 0.8])
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "reflect"])
def test_all_families(name: str, share: float, dtype: torch.dtype) -> None:
    check_family(name, share, dtype, 1e-12 if dtype == torch.float64 else 1e-5)


def check_program(choose: Callable[[int], int], seed: int) -> bool:
    """Whether a random network could be compacted; it computes the same if so."""
    model = draw_program(choose, seed)
    with_dead_parts(model, 0.5, seed)
    try:
        before = [model(*inputs_of(number).values()) for number in range(4)]
        if not model.state_dict() or not all(t.isfinite().all() for one in before for t in one):
            return False
        small = compact(model, tuple(inputs_of(0).values()))
    except (GraphwslError, IndexError, RuntimeError):
        return False
    for number in range(1, 4):
        with torch.no_grad():
            after = small(*inputs_of(number).values())
        assert largest_difference(before[number], after) < 1e-9, model
    return True


@pytest.fixture
def _double() -> Any:
    former = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(former)


@settings(max_examples=3, deadline=None)
@given(st.data(), st.integers(0, 2**31))
def test_random_networks(data: st.DataObject, seed: int) -> None:
    check_program(lambda count: data.draw(st.integers(0, count - 1)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 600, 50))
def test_many_random_networks(start: int) -> None:
    done = [check_program(random.Random(seed).randrange, seed) for seed in range(start, start + 50)]
    assert sum(done) > 20  # the check is of something


def test_other_shapes_are_refused() -> None:
    small = compact(nn.Conv2d(2, 3, 3), torch.zeros(1, 2, 6, 6))
    with pytest.raises(UnsupportedModelError, match=r"inputs of shape \(any, 2, 6, 6\), got"):
        small(torch.zeros(1, 2, 7, 6))


def test_networks_that_look_at_their_inputs_are_refused() -> None:
    def wiring(m: Any, x: Tensor) -> Tensor:
        return m.layer(x) if x.sum() > 0 else x

    with pytest.raises(UnsupportedModelError, match="goes on by what the inputs are"):
        compact(Wired(wiring, layer=nn.Linear(3, 3)), torch.ones(1, 3))


def test_networks_that_look_at_positions_or_weights_alone() -> None:
    """What they find there is the same whatever the inputs."""

    def wiring(m: Any, x: Tensor) -> Tensor:
        positions = torch.arange(x.shape[1])
        in_order = bool((positions.diff() == 1).all())
        return m.head(m.layer(x).relu()) if in_order and bool(m.layer.bias.any()) else x

    model = randomised(Wired(wiring, layer=nn.Linear(3, 4), head=nn.Linear(4, 2)).double())
    dead(model, {"layer.weight": [0, 3]})
    small = assert_same(model, (torch.zeros(2, 3, dtype=torch.float64),))
    assert sizes(small.program)["head.weight"] == (2, 2)


def test_what_a_network_returns_keeps_its_form() -> None:
    def wiring(m: Any, x: Tensor) -> dict[str, Any]:
        return {"first": m.layer(x), "rest": (x, 3, None)}

    model = Wired(wiring, layer=nn.Linear(3, 3))
    x = torch.randn(2, 3)
    found = compact(model, x)(x)
    assert torch.allclose(found["first"], model(x)["first"])
    assert torch.equal(found["rest"][0], x)
    assert found["rest"][1:] == (3, None)


class Parted(nn.Module):
    """Samples in parts, of which a few samples show one alone."""

    def __init__(self, most: int | None) -> None:
        super().__init__()
        self.first, self.second, self.most = nn.Linear(8, 6), nn.Linear(6, 3), most

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of all samples, or of the first ones."""
        if self.most is None:
            return torch.cat([self.second(self.first(part).relu()) for part in x.split(64)])
        return self.second(self.first(x).relu())[: min(len(x), self.most)]


@pytest.mark.parametrize("most", [None, 40])
def test_bounds_that_a_few_samples_do_not_show_are_not_forgotten(most: int | None) -> None:
    model = Parted(most)
    small = compact(model, torch.randn(4, 8))
    assert not small.any_batch
    with pytest.raises(UnsupportedModelError):
        small(torch.randn(65, 8))


def test_slices_of_channels_leave_the_number_of_samples_open() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 6)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            return y[:, :3] * y[:, 3:]

    model = Halves()
    small, x = compact(model, torch.randn(4, 8)), torch.randn(130, 8)
    assert small.any_batch
    assert torch.allclose(small(x), model(x), atol=1e-6)
