"""Prompts as numbers: every word of a prompt is a vector, from an encoder that is never trained.

Hashed n-grams need nothing: a word is the sum of random vectors of its letters' n-grams and of the
pair that it makes with the word before, which an n-gram's hash seeds. Models of sentences, such as
MiniLM, which the publication uses, are read from a folder on this computer by ``transformers``.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.unknown_words import split_words

Encoded = Float[Tensor, "prompts words channels"]

HASHED = "hashed"
"""The encoder that is always there."""


def encode_prompts(
    prompts: Sequence[str], words: int = 16, channels: int = 128, encoder: str = HASHED
) -> Encoded:
    """The words of prompts as vectors of about unit variance; zeros after the last word.

    Args:
        prompts: Texts.
        words: Words, or tokens of a model of sentences, after which a prompt is cut off.
        channels: Length of a vector; models of sentences have their own, of which it must be that.
        encoder: ``hashed``, or the folder of a model of sentences.

    Raises:
        GeneratorError: An empty prompt, or a model that is not there or of another width.
    """
    require_prompts(prompts)
    arguments.whole("words", words, 1)
    arguments.whole("channels", channels, 1)
    if encoder != HASHED:
        return _by_model(prompts, words, channels, encoder)
    encoded = torch.zeros(len(prompts), words, channels)
    for number, prompt in enumerate(prompts):
        before = ""
        for place, word in enumerate(split_words(prompt)[:words]):
            encoded[number, place] = _word(word, before, channels)
            before = word
    return encoded


def require_prompts(prompts: Any) -> None:
    """Refuse what is no list of texts with words in them.

    Args:
        prompts: What was given.

    Raises:
        GeneratorError: There are none, or one is empty or has halves of characters in it.
    """
    arguments.listed("prompts", prompts, str, "a text", "describe the task in words")
    if not len(prompts):
        raise GeneratorError("there are no prompts; give at least one text")
    for prompt in prompts:
        if not split_words(prompt):
            raise GeneratorError(f"prompt {prompt!r} has no words; describe the task in some")
        if any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise GeneratorError(
                f"prompt {prompt!r} has half a character in it, a surrogate; read it as utf-8"
            )


def pooled(
    encoded: Float[Tensor, "*batch prompts words channels"],
) -> Float[Tensor, "*batch channels"]:
    """One vector of unit length for several prompts: the mean of their words.

    Args:
        encoded: What :func:`encode_prompts` gives.
    """
    mean = encoded.flatten(-3, -2).mean(-2)
    return mean / mean.norm(dim=-1, keepdim=True).clamp_min(1e-12)


@cache
def _word(word: str, before: str, channels: int) -> Tensor:
    marked = f"<{word}>"
    grams = [marked[n : n + size] for size in (2, 3, 4) for n in range(len(marked) - size + 1)]
    vectors = [_vector(gram, channels) for gram in (marked, *grams)]
    own = torch.stack([vectors[0], torch.stack(vectors[1:]).sum(0) / len(grams) ** 0.5])
    both = torch.cat([own, _vector(f"{before} {word}", channels)[None]])
    return both.sum(0) / 3**0.5


@cache
def _vector(gram: str, channels: int) -> Tensor:
    """Independent normal numbers, the same on every computer."""
    seed = int.from_bytes(hashlib.sha256(gram.encode()).digest()[:8], "big")
    numbers = np.random.Generator(np.random.Philox(seed)).standard_normal(channels)
    return torch.from_numpy(numbers.astype(np.float32))


@torch.no_grad()
def _by_model(prompts: Sequence[str], words: int, channels: int, folder: str) -> Encoded:
    tokenizer, model = _model(folder)
    read = tokenizer(
        list(prompts), padding="max_length", truncation=True, max_length=words, return_tensors="pt"
    )
    parts = [
        model(**dict(zip(read, parts, strict=True))).last_hidden_state
        for parts in zip(*(value.split(64) for value in read.values()), strict=True)
    ]
    found = torch.cat(parts).float() * read["attention_mask"][..., None]
    if found.shape[-1] != channels:
        raise GeneratorError(
            f"the model in {folder!r} has {found.shape[-1]} channels, not {channels}; set "
            f"channels={found.shape[-1]}"
        )
    return found


@cache
def _model(folder: str) -> tuple[Any, Any]:
    if not Path(folder).is_dir():
        raise GeneratorError(
            f"no folder {folder!r} with a model of sentences; give one, or {HASHED!r}"
        )
    try:
        import transformers
    except ImportError as error:
        raise GeneratorError(
            "models of sentences need transformers; pip install graphwsl-gridstab[transformers]"
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, LookupError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise GeneratorError(f"no model of sentences in {folder!r}: {reason}") from error
    return tokenizer, model.eval()
