"""Architectures of the library ``transformers``, built small from their configurations."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gnncore.extras import install_command
from graphwsl.errors import ImportedModelError, UnsupportedModelError

HEADS = (
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForSeq2SeqLM",
    "AutoModelForMaskedLM",
    "AutoModelForCausalLM",
    "AutoModelForImageClassification",
    "AutoModelForSemanticSegmentation",
    "AutoModel",
)
"""What is built of an architecture: the first of these that it has."""

TOKENS = 8


class TensorOutputs(nn.Module):
    """A network of ``transformers`` that takes tensors by name and returns tensors.

    Args:
        model: The network.

    Attributes:
        model: The network.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The main outputs: logits, or hidden states and embeddings.

        Args:
            inputs: Tensors by name.
        """
        result = self.model(**inputs, return_dict=True)
        for names in (("logits",), ("logits_per_text", "logits_per_image"), ("last_hidden_state",)):
            if all(isinstance(result.get(name), Tensor) for name in names):
                found = tuple(result[name] for name in names)
                return found[0] if len(found) == 1 else found
        return tuple(one for one in result.to_tuple() if isinstance(one, Tensor))


def from_transformers(
    model_type_or_config: str | Mapping[str, Any] | Any,
    *,
    head: str | None = None,
    seed: int = 0,
    **overrides: Any,
) -> tuple[TensorOutputs, dict[str, Tensor]]:
    """A network with random weights, and inputs on which it runs.

    Nothing is downloaded, and no code of others is run. Attention is computed step by step
    (``eager``), in float32, and without a cache. Needs the optional package ``transformers``.

    Args:
        model_type_or_config: A name of an architecture, such as ``"bert"``; the content of a
            ``config.json``, which has it under ``model_type``; or a configuration object.
        head: Name of the class that builds the network; by default the first of :data:`HEADS`
            that the architecture has.
        seed: Seed of the weights and inputs.
        overrides: Values of the configuration, such as ``hidden_size=16``.

    Returns:
        The network in evaluation mode, and its inputs by name.

    Raises:
        ImportedModelError: ``transformers`` is not installed, or does not know the architecture or
            a value of the configuration.
        UnsupportedModelError: The inputs of the network are of a kind that is not known here.
    """
    transformers = _library()
    config = _config(transformers, model_type_or_config, overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _built(transformers, config, head)
    return TensorOutputs(model.eval()), _inputs(model, seed)


def shapes_of_transformers(
    model_type_or_config: str | Mapping[str, Any] | Any,
    *,
    head: str | None = None,
    **overrides: Any,
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of such a network, which takes no memory.

    Takes the arguments of :func:`from_transformers`.

    Raises:
        ImportedModelError: As there.
    """
    transformers = _library()
    config = _config(transformers, model_type_or_config, overrides)
    with torch.device("meta"):
        model = _built(transformers, config, head)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportedModelError(
            "architectures of transformers need the package transformers; run: "
            f"{install_command('transformers')}"
        ) from error
    return transformers


def _built(transformers: Any, config: Any, head: str | None) -> nn.Module:
    heads = HEADS if head is None else (head,)
    builder = next(
        (
            found
            for found in (getattr(transformers, name, None) for name in heads)
            if found is not None and type(config) in found._model_mapping
        ),
        None,
    )
    if builder is None:
        raise ImportedModelError(
            f"transformers has no {' or '.join(heads)} for {config.model_type!r}"
        )
    try:
        model: nn.Module = builder.from_config(
            config, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ImportedModelError(f"{config.model_type!r} cannot be built: {reason}") from error
    return model


def _config(transformers: Any, given: Any, overrides: Mapping[str, Any]) -> Any:
    if isinstance(given, transformers.PreTrainedConfig):
        values, kind = given.to_dict(), type(given)
        name = given.model_type
    else:
        values = {"model_type": given} if isinstance(given, str) else dict(given)
        name = str(values.get("model_type"))
        try:
            kind = transformers.CONFIG_MAPPING[name]
        except KeyError:
            raise ImportedModelError(
                f"transformers {transformers.__version__} knows no architecture {name!r}"
            ) from None
    values = {**values, **overrides}
    values.pop("model_type", None)
    values.pop("auto_map", None)  # names code that would have to be fetched
    try:
        config = kind(**values)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ImportedModelError(f"the configuration of {name!r} is refused: {reason}") from error
    # Without a list, transformers cannot choose between several heads of one kind.
    config.architectures = config.architectures or []
    for part in (config, *(getattr(config, key, None) for key in config.sub_configs)):
        if hasattr(part, "use_cache"):
            part.use_cache = False
    return config


def _inputs(model: nn.Module, seed: int) -> dict[str, Tensor]:
    config: Any = model.config
    generator = torch.Generator().manual_seed(seed)
    text, vision = getattr(config, "text_config", config), getattr(config, "vision_config", config)
    vocabulary = getattr(text, "vocab_size", None)
    accepted = inspect.signature(model.forward).parameters
    inputs: dict[str, Tensor] = {}
    if "pixel_values" in accepted:
        size = getattr(vision, "image_size", None) or 32
        size = size if isinstance(size, list | tuple) else (size, size)
        channels = getattr(vision, "num_channels", 3)
        inputs["pixel_values"] = torch.randn(1, channels, *size, generator=generator)
    elif "input_features" in accepted:
        frames = 2 * config.max_source_positions
        inputs["input_features"] = torch.randn(1, config.num_mel_bins, frames, generator=generator)
    elif "input_values" in accepted:
        inputs["input_values"] = torch.randn(1, 400, generator=generator)
    # The first tokens of a vocabulary are padding and other marks.
    if "input_ids" in accepted and vocabulary and "input_features" not in inputs:
        inputs["input_ids"] = torch.randint(3, vocabulary, (1, TOKENS), generator=generator)
    if getattr(config, "is_encoder_decoder", False) and vocabulary:
        ids = torch.randint(3, vocabulary, (1, TOKENS - 2), generator=generator)
        inputs["decoder_input_ids"] = ids
    if not inputs:
        raise UnsupportedModelError(
            f"what {type(model).__name__} takes is not known: {', '.join(accepted)}; build it with "
            "transformers and give example inputs"
        )
    return inputs
