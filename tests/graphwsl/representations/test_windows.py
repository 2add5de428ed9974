"""Windows: every token is read in one of full length, as far from its ends as it can be."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphwsl.errors import RepresentationError
from graphwsl.representations.windows import ReadingWindows
from tests.graphwsl.generators.generator_cases import zoo_case
from tests.graphwsl.representations.representation_cases import parts, tiny


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 6))
def test_every_token_is_taken_once_from_within_a_window(
    tokens: int, length: int, halo: int
) -> None:
    length = min(length, tokens)
    halo = min(halo, (length - 1) // 2)
    windows = ReadingWindows.of(tokens, length, halo)
    assert windows.index.shape[1] == length
    assert int(windows.index.min()) >= 0
    assert int(windows.index.max()) < tokens
    sequence = torch.randn(3, tokens, 2)
    assert torch.equal(windows.join(windows.cut(sequence)), sequence)
    for token in range(tokens):
        before = int(windows.position[token])
        after = length - 1 - before
        assert before >= min(halo, token)
        assert after >= min(halo, tokens - 1 - token)


def test_haloing_never_raises_the_error_of_what_was_learnt_on_windows() -> None:
    case = zoo_case()
    made = tiny("sane", window=8, halo=0, channels=32, latent_channels=8, epochs=12)
    made.fit(case.train, case.held_out)
    aligned = made.aligned(case.others)
    found = []
    for halo in (0, 2, 3):
        made.settings = made.settings.replaced(halo=halo)
        assert made.module is not None
        made.module.settings = made.settings
        rebuilt = torch.stack(made.reconstruct(case.others).states)
        found.append(float((rebuilt - torch.stack(aligned.states)).square().mean()))
    # A thousandth is within what single windows differ by.
    assert found[1] < 1.005 * found[0]
    assert found[2] < 1.005 * found[0]


def test_halos_that_leave_nothing_are_refused() -> None:
    own = parts("mlp")
    with pytest.raises(RepresentationError, match="a halo of 3 on both sides leaves nothing"):
        tiny("sane", window=6, halo=3).fit(own.train, own.valid)
    with pytest.raises(RepresentationError, match="one latent of a whole network; set window=None"):
        tiny("hyper_representation", window=4).fit(own.train, own.valid)
    with pytest.raises(RepresentationError, match="cannot be run from windows of 4"):
        tiny("behavioural", window=4).fit(own.train, own.valid, inputs=own.inputs)
