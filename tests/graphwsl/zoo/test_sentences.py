"""The text for small language models is always the same, and well formed."""

import hashlib
from collections.abc import Iterator

import torch

from graphwsl.zoo.data import load_images
from graphwsl.zoo.sentences import ALPHABET, TRAIN, sentences, text


def of_tokens(tokens: torch.Tensor) -> str:
    return "".join(ALPHABET[token] for token in tokens.flatten().tolist())


def whole_sentences(seed: int) -> Iterator[list[str]]:
    for sentence in text(seed, 200).split(". ")[:-1]:
        yield sentence.split()


def test_labels_are_the_text_one_character_on() -> None:
    data = sentences()
    read = of_tokens(data.train)
    assert read == text(0, TRAIN)[:-1]
    assert of_tokens(data.train_labels) == text(0, TRAIN)[1:]
    assert data.train.shape == (1536, 32)
    assert data.test.shape == (384, 32)
    assert load_images("sentences").content_hash == data.content_hash


def test_the_bytes_are_the_same_everywhere() -> None:
    digest = hashlib.sha256(text(0, TRAIN).encode()).hexdigest()
    assert digest == "d9c4c56c667c93a2e562e98a432e0ca8277bfdd98a8e33e28841ca613b650376"
    assert text(0, TRAIN)[:500] == text(0, 20)[:500]
    assert text(1, 20) != text(0, 20)


def test_verbs_agree_with_their_subject() -> None:
    verbs = {"see", "find", "like", "know", "follow", "want", "help", "draw"}
    seen = set()
    for words in whole_sentences(0):
        (at,) = (k for k, word in enumerate(words) if word in verbs or word[:-1] in verbs)
        several = words[at - 1].endswith("s")
        assert several is (words[at] in verbs)
        assert words[0] in (
            ("the", "two", "these", "many") if several else ("the", "a", "this", "every")
        )
        seen.add(several)
    assert seen == {True, False}
