"""Prompts as vectors: the same on every computer, and near one another where words are shared."""

from pathlib import Path

import pytest
import torch

from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import encode_prompts
from graphwsl.generators.lora.prompts import pooled
from graphwsl.generators.lora.unknown_words import split_words


def test_words_are_split_and_cut_off() -> None:
    assert split_words("Is it 3, or Four?") == ["is", "it", "3", ",", "or", "four", "?"]
    encoded = encode_prompts(["Is it 3?", "no"], words=3, channels=32)
    assert encoded.shape == (2, 3, 32)
    assert bool((encoded[0] != 0).any(-1).all())
    assert (encoded[1] != 0).any(-1).tolist() == [True, False, False]


def test_halves_of_characters_are_refused() -> None:
    for prompt in ("\ud800", "add \udfff", "one\udc80word"):
        with pytest.raises(GraphwslError, match="has half a character") as caught:
            encode_prompts([prompt])
        str(caught.value).encode()
    assert encode_prompts(["add \U0001f600"]).any()


def test_vectors_have_unit_variance_and_do_not_depend_on_other_prompts() -> None:
    texts = [f"word{number} and {number}th" for number in range(40)]
    encoded = encode_prompts(texts, words=3, channels=256)
    assert float(encoded.var()) == pytest.approx(1.0, abs=0.1)
    torch.testing.assert_close(encode_prompts(texts[7:8], 3, 256)[0], encoded[7])
    # The first numbers as they were drawn once: files of generators depend on them.
    found = encode_prompts(["a"], words=1, channels=4)[0, 0]
    assert found.tolist() == pytest.approx(KNOWN, abs=1e-5)


KNOWN = [-0.7515820, -2.2834721, 1.3452269, 1.5981113]


def test_shared_words_and_their_order_count() -> None:
    texts = [
        "first add then turn",
        "first add then swap",
        "purple elephants dance",
        "then turn first add",
    ]
    vectors = torch.stack([pooled(encode_prompts([text], 8, 512)) for text in texts])
    near, far, turned = (float(vectors[0] @ vectors[n]) for n in (1, 2, 3))
    assert far < 0.2 < near < 1.0
    assert 0.5 < turned < 0.999


@pytest.mark.parametrize("prompts", [[], [""], ["fine", " \n"]])
def test_empty_prompts_are_refused(prompts: list[str]) -> None:
    with pytest.raises(GraphwslError, match=r"no prompts|has no words"):
        encode_prompts(prompts)


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(GraphwslError, match="no folder 'nowhere' with a model of sentences"):
        encode_prompts(["a"], encoder="nowhere")


@pytest.mark.slow
def test_a_model_of_sentences_reads_from_a_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "add", "two", "letters"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(tmp_path)
    encoded = encode_prompts(["add two", "letters"], 6, 16, str(tmp_path))
    assert encoded.shape == (2, 6, 16)
    assert (encoded != 0).any(-1).sum(1).tolist() == [4, 3]  # with [CLS] and [SEP]
    with pytest.raises(GraphwslError, match="has 16 channels, not 8; set channels=16"):
        encode_prompts(["add"], 6, 8, str(tmp_path))
