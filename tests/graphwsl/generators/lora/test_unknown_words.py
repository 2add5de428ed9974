"""Words that no training prompt has: what is known of a task still counts, and nothing else."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from graphwsl.errors import GraphwslError
from graphwsl.generators import load, make
from graphwsl.generators.lora import (
    PromptToLora,
    adapted,
    adapted_networks,
    encode_prompts,
    pairs_of,
)
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.generators.lora.unknown_words import KnownTexts, split_words, understood
from graphwsl.populations.population import Population
from tests.graphwsl.generators.lora.lora_cases import base, random_pairs

FIRST = ("turn it around", "leave it there", "mirror each half", "swap neighbours now")
SECOND = ("add one to all of them", "use the red code", "double every second one", "skip zeros")


def test_unknown_words_make_what_is_around_them_doubtful() -> None:
    words = {"rotate", "left", "right", ",", "then", "add", "three"}
    every = ["rotate", "left", ",", "then", "add", "three"]
    assert understood("Rotate left, then add three", words) == every
    up = "rotate UP, then add three"
    assert understood(up, words, around=0) == ["rotate", ",", "then", "add", "three"]
    assert understood(up, words, around=1) == ["then", "add", "three"]
    assert understood(up, words) == ["three"]
    assert understood("no, thanks", {"yes"}) == []


def test_texts_are_near_that_share_rare_words() -> None:
    known = KnownTexts(["turn left, then stop", "turn right, then stop", "turn left, then go"])
    assert known.words == {"turn", "left", "right", ",", "then", "stop", "go"}
    assert known.nearest("left, then go", 1) == [2]
    assert known.nearest("right then stop", 1) == [1]
    assert known.nearest("what is all this about", 1) == [0, 1, 2]
    # "turn", "," and "then" are in all of them and tell nothing; what stands by "fly" is doubtful.
    assert known.nearest("turn right or fly, then\nplease turn left, then", 2) == [0, 1, 2]
    assert KnownTexts(["a b"] * 3).texts == ["a b"]
    assert known.unknown(["Fly right, fly!", "stop or fly"]) == ["fly", "!", "or"]


def test_at_least_one_text_is_near() -> None:
    for count in (-1, 0):
        with pytest.raises(GraphwslError, match=f"count must be at least 1, got {count}"):
            KnownTexts(["one", "two"]).nearest("one", count)


def test_words_are_the_same_however_their_accents_are_written() -> None:
    composed, apart = "gr\u00fc\u00df caf\u00e9", "gru\u0308\u00df cafe\u0301"
    assert split_words(apart) == split_words(composed) == composed.split()
    assert KnownTexts([composed]).knows(apart.upper().replace("SS", "\u00df"))
    assert torch.equal(encode_prompts([composed]), encode_prompts([apart]))


def parts() -> tuple[Pairs, Pairs]:
    """What is added to an adapter for each first half of a prompt, and for each second."""
    return random_pairs(4, seed=1), random_pairs(4, seed=2)


def adapters(tasks: list[tuple[int, int]]) -> Pairs:
    one, two = parts()
    rows, columns = map(list, zip(*tasks, strict=True))
    return {
        name: (a[rows] + two[name][0][columns], b[rows] + two[name][1][columns])
        for name, (a, b) in one.items()
    }


@cache
def fitted() -> tuple[PromptToLora, Population]:
    tasks = list(product(range(4), range(4)))
    texts = [[f"{FIRST[i]}, then {SECOND[j]}", f"{SECOND[j]} and {FIRST[i]}"] for i, j in tasks]
    network = adapted(base(), rank=2, alpha=4)
    some = adapted_networks(network, torch.zeros(2, 5), adapters(tasks), texts)
    options: dict[str, Any] = {
        "width": 64, "words": 16, "channels": 64, "prompts": 2, "token_width": 6, "batch_size": 16,
        "epochs": 100, "pairs": 1.0, "product": 0.0, "behaviour": 0.0, "learning_rate": 1e-2,
        "neighbours": 4, "noise": 0.0,
    }  # fmt: skip
    made = make("prompt_to_lora", **options)
    assert isinstance(made, PromptToLora)
    return made.fit(some, valid=some), some


def sampled(*texts: str) -> torch.Tensor:
    """What is made for texts, a row each."""
    found = fitted()[0].sample(len(texts), condition=list(texts))
    return flat(pairs_of(torch.stack(found.states), found.architectures[0]))


def flat(pairs: Pairs) -> torch.Tensor:
    return torch.cat([matrix.flatten(1) for pair in pairs.values() for matrix in pair], dim=1)


def test_the_known_half_of_a_task_is_done_and_the_other_is_the_mean() -> None:
    for i in range(4):
        asked = sampled(f"{FIRST[i]}, then perform something quite unheard of indeed")[0]
        wanted = flat(adapters([(i, j) for j in range(4)])).mean(0)
        torch.testing.assert_close(asked, wanted)


def test_words_that_nobody_knows_are_all_alike() -> None:
    """They get the mean adapter, however they are spelt."""
    found = sampled("xq brr lolo", "zzz yyy uuu")
    assert torch.equal(found[0], found[1])
    everything = flat(adapters(list(product(range(4), range(4)))))
    torch.testing.assert_close(found[0], everything.mean(0))
    known = sampled(f"{FIRST[0]}, then {SECOND[0]}")[0]
    assert float((known - everything[0]).square().mean()) < 0.15 * float(everything.var(0).mean())


def test_known_words_are_read_as_ever_and_neighbours_can_be_left() -> None:
    made, some = fitted()
    known, other = some.checkpoints[3]["prompts"], "turn it around, then mumble"
    plain = make("prompt_to_lora", **made.settings.replaced(neighbours=0).model_dump())
    assert isinstance(plain, PromptToLora)
    plain.fit(some, valid=some)
    found, expected = (torch.stack(one.sample(2, condition=[known, other]).states)
                       for one in (made, plain))  # fmt: skip
    assert torch.equal(found[0], expected[0])
    assert not torch.equal(found[1], expected[1])


def test_it_is_loaded_with_the_words_that_it_knows(tmp_path: Path) -> None:
    made, _ = fitted()
    made.save(tmp_path)
    asked = [f"{FIRST[1]}, then mumble on and on", f"{FIRST[2]}, then {SECOND[0]}"]
    found = [torch.stack(one.sample(2, condition=asked).states) for one in (made, load(tmp_path))]
    assert torch.equal(*found)
