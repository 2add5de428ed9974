"""Recurrent diffusion: what reaches which token, and what states are for."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from gnncore.training import seeded as seeded_weights
from graphwsl.cli import app
from graphwsl.errors import GeneratorError
from graphwsl.generators import load, make
from graphwsl.generators.made import population_of
from graphwsl.generators.module import Batch
from graphwsl.generators.recurrent_diffusion.denoiser import Denoiser
from graphwsl.generators.recurrent_diffusion.method import RecurrentDiffusion
from graphwsl.generators.recurrent_diffusion.network import RecurrentDiffusionModule
from graphwsl.generators.recurrent_diffusion.positions import position_vectors
from graphwsl.generators.recurrent_diffusion.recurrence import RECURRENCES
from graphwsl.generators.recurrent_diffusion.states import CoordinateStates, NumberStates
from graphwsl.populations import Function, Population, evaluate
from tests.graphwsl.generators.method_cases import population, rows, seeded, tiny

SMALL: dict[str, Any] = {
    "width": 8, "channels": 16, "denoiser_channels": (1, 8, 16, 8, 1), "noise_steps": 50,
    "last_beta": 0.3, "drawn_tokens": None, "sampling_steps": 10,
}  # fmt: skip


def module_of(made: RecurrentDiffusion) -> RecurrentDiffusionModule:
    assert isinstance(made.module, RecurrentDiffusionModule)
    return made.module


def learnt(**options: Any) -> RecurrentDiffusion:
    made = tiny("recurrent_diffusion", **{**SMALL, "epochs": 1, **options})
    assert isinstance(made, RecurrentDiffusion)
    made.fit(population("mlp"))
    return made


def test_positions_are_sines_of_the_place_and_of_the_layer() -> None:
    found = position_vectors(torch.tensor([[9, 2, 3]]), 8)[0]
    rates = [1.0, 1e4**-0.5]
    for half, index in ((found[:4], 3), (found[4:], 2)):
        expected = [math.sin(index * r) for r in rates] + [math.cos(index * r) for r in rates]
        torch.testing.assert_close(half, torch.tensor(expected))


@pytest.mark.parametrize(
    ("name", "reaches"), [("none", "itself"), ("lstm", "later"), ("mamba", "later"),
                          ("transformer", "all")],
)  # fmt: skip
def test_what_a_token_tells_others(name: str, reaches: str) -> None:
    if name == "mamba":
        pytest.importorskip("transformers")
    with seeded_weights(0):
        recurrence: nn.Module = RECURRENCES[name](16, 2).eval()
    x = torch.randn(1, 5, 16, generator=seeded())
    changed = x.clone()
    changed[0, 2] *= -1
    with torch.no_grad():
        moved = (recurrence(changed) - recurrence(x)).abs().amax(2)[0] > 1e-6
    expected = {"itself": [2], "later": [2, 3, 4], "all": [0, 1, 2, 3, 4]}[reaches]
    assert torch.nonzero(moved).flatten().tolist() == expected


def test_the_denoiser_sees_one_token_and_its_size_is_that_of_the_publication() -> None:
    channels, width, condition = (1, 32, 64, 128, 64, 32, 1), 12, 20
    denoiser = Denoiser(width, condition, channels, 7).eval()
    convolutions = sum(7 * a * b + b for a, b in pairwise(channels))
    norms = 2 * sum(channels[1:-1])
    maps = 6 * (condition + 1) * width + 257 * width + (width + 1) * width
    assert sum(p.numel() for p in denoiser.parameters()) == convolutions + norms + maps
    x, step = torch.randn(3, width, generator=seeded()), torch.tensor([0, 10, 999])
    vectors = torch.randn(3, condition, generator=seeded(1))
    with torch.no_grad():
        together = denoiser(x, step, vectors)
        for n in range(3):
            alone = denoiser(x[n : n + 1], step[n : n + 1], vectors[n : n + 1])
            torch.testing.assert_close(alone, together[n : n + 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("state", ["number", "coordinates", "none"])
def test_what_tokens_have_in_common_is_the_state_alone(state: str) -> None:
    """Without one, every network has the same prototypes, so that its tokens are independent."""
    module = module_of(learnt(state=state, coordinates=2))
    tokenizer = module.tokenizer(population("mlp").architectures[0])
    drawn = module.states.draw(8, seeded())
    with torch.no_grad():
        first, *others = module.prototypes(tokenizer, drawn, torch.zeros(8, 0))
    same = [torch.equal(first, other) for other in others]
    expected = [torch.equal(drawn[0], other) for other in drawn[1:]]
    assert same == expected
    assert all(expected) == (state == "none")


def test_numbers_are_looked_up_and_coordinates_are_new() -> None:
    by_number = module_of(learnt(state="number")).states
    assert isinstance(by_number, NumberStates)
    drawn = by_number.draw(50, seeded())
    assert set(drawn.flatten().tolist()) <= set(range(by_number.vectors.num_embeddings))
    by_place = module_of(learnt(state="coordinates", coordinates=3)).states
    assert isinstance(by_place, CoordinateStates)
    torch.testing.assert_close(by_place.known.std(0), torch.ones(3), atol=1e-3, rtol=0)
    distances = torch.cdist(by_place.draw(50, seeded()), by_place.known)
    assert float(distances.min()) > 0


def two_trainings() -> tuple[Population, Tensor, Tensor]:
    """The last eight checkpoints of two trainings, and what they learnt."""
    inputs = torch.randn(600, 8, generator=seeded())
    labels = (inputs @ torch.randn(8, 3, generator=seeded(1))).argmax(1)
    found = []
    for seed in range(2):
        with seeded_weights(seed):
            network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
        for step in range(208):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimiser.step()
            if step >= 200:
                state = network.state_dict().values()
                found.append(torch.cat([tensor.flatten() for tensor in state]).clone())
    function = Function.of(network, inputs[:1], "small")
    return population_of(torch.stack(found), function, "trained"), inputs, labels


def test_samples_do_what_the_networks_did_that_are_looked_up() -> None:
    """The steps back need fresh noise: without, what the first ones get wrong stays to the end."""
    train, inputs, labels = two_trainings()
    before = evaluate(train, inputs, labels).accuracy
    made = make("recurrent_diffusion", width=16, epochs=800, batch_size=16).fit(train)
    after = evaluate(made.sample(20, generator=seeded()), inputs, labels).accuracy
    assert float(before.min()) > 0.97
    assert float(after.mean()) > float(before.mean()) - 0.03
    assert float(after.min()) > float(before.min()) - 0.06


def test_equal_initial_states_as_published() -> None:
    states = NumberStates(4, 16, 0.0)
    assert bool((states.vectors.weight == 1 / 16).all())


def test_tokens_that_are_not_drawn_do_not_count() -> None:
    made = learnt(drawn_tokens=4)
    module, own = module_of(made), population("mlp").select(range(4))
    batch = Batch(own.architectures[0], rows(own), torch.zeros(4, 0), torch.arange(4))
    seen: list[int] = []
    module.denoiser.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    module.train().terms(batch)
    module.eval()
    first, again = module.terms(batch), module.terms(batch)
    tokens = len(module.tokenizer(own.architectures[0]).layout.mask)
    assert seen == [4, 4 * tokens, 4 * tokens]
    torch.testing.assert_close(first, again, atol=0, rtol=0)


def test_the_last_tokens_alone_see_the_condition_where_that_is_asked_for() -> None:
    made = tiny("recurrent_diffusion", **{**SMALL, "epochs": 1, "condition_tokens": 2,
                                          "recurrence": "none"})  # fmt: skip
    made.fit(population("mlp"), "size")
    assert isinstance(made, RecurrentDiffusion)
    module = module_of(made)
    tokenizer = module.tokenizer(population("mlp").architectures[0])
    state = module.states.draw(1, seeded())
    with torch.no_grad():
        low, high = (
            module.prototypes(tokenizer, state, torch.tensor([[value]])) for value in (-1.0, 1.0)
        )
    moved = (low != high).any(2)[0]
    assert torch.nonzero(moved).flatten().tolist() == [len(moved) - 2, len(moved) - 1]


def test_no_more_tokens_are_denoised_at_once_than_allowed() -> None:
    made = learnt(state="none", tokens_at_once=5)
    seen: list[int] = []
    module_of(made).denoiser.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    assert len(made.sample(2, generator=seeded())) == 2
    assert max(seen) == 5


def test_running_statistics_are_made() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    function = Function.of(module, torch.zeros(1, 3), "small")
    length = function.architecture.num_entries
    train = population_of(torch.rand(6, length, generator=seeded()) + 0.5, function, "small")
    made = make("recurrent_diffusion", **{**SMALL, "epochs": 1}).fit(train)
    found = rows(made.sample(3, generator=seeded()))
    for name, length in (("1.running_var", 4), ("1.num_batches_tracked", 1)):
        start = function.architecture.graph.offsets[name]
        assert bool((found[:, start : start + length] > 0).all())


def test_published_settings() -> None:
    """The configuration of ResNet-18 on CIFAR-10: 80,000 steps of 8 of 50 networks."""
    known = RecurrentDiffusion.published
    assert (known.width, known.channels, known.recurrence, known.blocks) == (8192, 8192, "mamba", 2)
    assert known.denoiser_channels == (1, 32, 64, 128, 64, 32, 1)
    assert (known.kernel, known.noise_steps, known.drawn_tokens) == (7, 1000, 512)
    assert (known.first_beta, known.last_beta) == (1e-4, 0.02)
    assert known.epochs * 50 == 80_000 * known.batch_size
    assert (known.learning_rate, known.weight_decay, known.schedule) == (3e-5, 0.0, "cosine")


@pytest.mark.parametrize("options", [{"denoiser_channels": (1, 8, 4, 1)}, {"kernel": 4},
                                     {"channels": 6}, {"state": "name"}, {"sampling_steps": 999},
                                     {"recurrence": "gru"}])  # fmt: skip
def test_options_that_are_none(options: dict[str, object]) -> None:
    with pytest.raises(GeneratorError) as caught:
        make("recurrent_diffusion", **options)
    assert "\n" not in str(caught.value)
    assert next(iter(options)) in str(caught.value)


@pytest.mark.parametrize("options", [{"state": "none", "align": "barycentre"},
                                     {"state": "coordinates", "align": "reference"},
                                     {"recurrence": "transformer",
                                      "tokens": "sparse"}])  # fmt: skip
def test_variants_are_kept_to_the_last_bit(options: dict[str, object], tmp_path: Path) -> None:
    made = learnt(**options)
    made.save(tmp_path / "kept")
    first, second = (one.sample(2, generator=seeded()) for one in (made, load(tmp_path / "kept")))
    torch.testing.assert_close(rows(first), rows(second), atol=0, rtol=0)


def test_networks_of_no_zoo_are_made_after_loading_where_their_function_is_given(
    tmp_path: Path,
) -> None:
    train, *_ = two_trainings()
    made = make("recurrent_diffusion", **{**SMALL, "epochs": 1}).fit(train)
    made.save(tmp_path / "kept")
    loaded = load(tmp_path / "kept")
    first, second = (one.sample(2, train.functions[0], None, seeded()) for one in (made, loaded))
    torch.testing.assert_close(rows(first), rows(second), atol=0, rtol=0)
    with pytest.raises(GeneratorError, match="is none of them"):
        loaded.sample(1, population("mlp").functions[0])


def test_the_command_refuses_in_one_line() -> None:
    arguments = ["generate", "train", "zoo", "--method", "recurrent_diffusion"]
    found = CliRunner().invoke(app, [*arguments, "--option", "kernel=4"], env={"COLUMNS": "200"})
    assert found.exit_code == 2
    assert "kernel must be odd, got 4" in found.output
    assert len(found.output.strip().splitlines()) == 1
