"""What is trained: a decoder of prompts, by how far its pairs are from those that were trained."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import kl_div

from graphwsl.generators.lora.conditions import PromptConditions, text_of
from graphwsl.generators.lora.decoders import HyperConvolutionalDecoder, PooledDecoder
from graphwsl.generators.lora.low_rank import FIRST, SECOND, Pairs
from graphwsl.generators.lora.networks import pairs_of
from graphwsl.generators.lora.settings import PromptSettings
from graphwsl.generators.lora.tokens import TokenShapes, detokenize, standardised
from graphwsl.generators.module import Batch, GeneratorModule
from graphwsl.populations.population import Function, Population


class PromptDecoder(GeneratorModule):
    """Prompts to tokens.

    Args:
        settings: Options.
        shapes: Where the numbers of pairs are in tokens.
        entries: Numbers of a flattened state.
        kept: Texts whose adapters are kept.

    Attributes:
        base: A flattened state without adapters.
        center: Mean token of the training networks.
        spread: Deviation of each token's numbers over the training networks.
        variance: Variance of the products of each layer over the training networks.
        mask: What of tokens is a number.
        keeps_adapters: Whether there are adapters of every text that was learnt from.
        adapters: Their numbers, the mean of the networks of each text.
        conditions: Reads prompts.
        teacher: The function of the networks, where answers are compared.
        inputs: Inputs on which they are compared; of each task by its text, or one for all.
    """

    names: ClassVar[tuple[str, ...]] = ("pairs", "product", "behaviour")

    def __init__(
        self, settings: PromptSettings, shapes: TokenShapes, entries: int, kept: int = 0
    ) -> None:
        super().__init__()
        self.settings, self.shapes = settings, shapes
        self.conditions = PromptConditions()
        self.teacher: Function | None = None
        self.inputs: Tensor | Mapping[str, Tensor] | None = None
        tokens = (len(shapes.chunks), *shapes.token_shape)
        condition = (settings.prompts, settings.words, settings.channels)
        self.decoder: nn.Module = (
            HyperConvolutionalDecoder(condition, tokens, settings.hidden, settings.kernel)
            if settings.decoder == "hyper_convolutional"
            else PooledDecoder(
                condition, tokens, settings.width, settings.dropout, settings.decoder
            )
        )
        self.register_buffer("base", torch.zeros(entries))
        self.register_buffer("center", torch.zeros(tokens))
        self.register_buffer("spread", torch.ones(tokens[0]))
        self.register_buffer("variance", torch.ones(len(shapes.shapes)))
        self.register_buffer("mask", shapes.mask, persistent=False)
        self.keeps_adapters = bool(kept)
        if kept:
            numbers = sum(
                rank * (inputs + outputs) for rank, inputs, outputs in shapes.shapes.values()
            )
            self.register_buffer("adapters", torch.zeros(kept, numbers))

    base: Tensor
    center: Tensor
    spread: Tensor
    variance: Tensor
    mask: Tensor
    adapters: Tensor

    def look_at(self, train: Population, base: Float[Tensor, " entries"]) -> None:
        """Measure what is the same and what differs among the training networks.

        Args:
            train: The networks.
            base: What :func:`~graphwsl.generators.lora.networks.shared_base` gives of them.
        """
        pairs = pairs_of(torch.stack(train.states), train.architectures[0])
        tokens = self.tokens_of(pairs)
        spread = tokens.std(0, correction=0).nan_to_num().flatten(1).sum(1)
        spread = spread / self.mask.flatten(1).sum(1)
        self.base = base
        self.center = tokens.mean(0).nan_to_num()
        self.spread = torch.where(spread > 1e-6, spread, 1.0)
        products = [b @ a for a, b in pairs.values()]
        self.variance = torch.stack(
            [(p - p.mean(0)).square().mean().clamp_min(1e-12) for p in products]
        )

        if self.keeps_adapters:
            number_of = {text: n for n, text in enumerate(self.conditions.known_texts.texts)}
            of = torch.tensor([number_of[text_of(one)] for one in train.checkpoints])
            flat = torch.cat([m.flatten(1) for pair in pairs.values() for m in pair], dim=1)
            found = torch.zeros_like(self.adapters).index_add(0, of, flat)
            self.adapters = found / of.bincount(minlength=len(found))[:, None]

    def mean_adapter(self, numbers: Sequence[int]) -> dict[str, tuple[Tensor, Tensor]]:
        """A and B of every layer, the mean over texts that were learnt from.

        Args:
            numbers: Numbers of the texts.
        """
        flat, start = self.adapters[list(numbers)].mean(0), 0
        found = {}
        for name, (rank, inputs, outputs) in self.shapes.shapes.items():
            middle, end = start + rank * inputs, start + rank * (inputs + outputs)
            found[name] = (
                flat[start:middle].view(rank, inputs), flat[middle:end].view(outputs, rank)
            )  # fmt: skip
            start = end
        return found

    def tokens_of(self, pairs: Pairs) -> Float[Tensor, "networks tokens rows columns"]:
        """The tokens of pairs, NaN where there is no number.

        Args:
            pairs: Stacked.
        """
        return standardised(self.shapes.cut(pairs), self.shapes)

    def tokens(
        self, condition: Float[Tensor, "networks prompts words channels"]
    ) -> Float[Tensor, "networks tokens rows columns"]:
        """The tokens that the decoder makes.

        Args:
            condition: Words of prompts.
        """
        found = self.decoder(condition)
        if self.settings.standardise:
            found = self.center + self.spread[:, None, None] * found
        return found

    def condition(
        self, codes: Float[Tensor, "networks 1"], generator: torch.Generator | None, *, drawn: bool
    ) -> Float[Tensor, "networks prompts words channels"]:
        """The words of as many prompts of each task as are read at once.

        Args:
            codes: Numbers of texts.
            generator: Source of randomness.
            drawn: Whether prompts are drawn; else the first ones are taken, from the start again
                where there are too few.
        """
        settings, found = self.settings, []
        for number in codes[:, 0].long().tolist():
            known = self.conditions.vectors(
                number, settings.words, settings.channels, settings.encoder
            )
            order = (
                torch.randperm(len(known), generator=generator) if drawn
                else torch.arange(len(known))
            )  # fmt: skip
            found.append(known[order[torch.arange(settings.prompts) % len(known)]])
        return torch.stack(found).to(self.base.device)

    def terms(self, batch: Batch) -> Float[Tensor, "networks terms"]:
        """Errors of tokens and of products, and the divergence of answers, each weighted.

        Args:
            batch: Networks.
        """
        settings = self.settings
        condition = self.condition(batch.codes, None, drawn=self.training)
        pairs = pairs_of(batch.rows, batch.architecture)
        target = self.tokens_of(pairs).nan_to_num()
        if self.training and settings.noise:
            is_word = (condition != 0).any(-1, keepdim=True)
            condition = condition + settings.noise * torch.randn_like(condition) * is_word
            target = target + settings.noise / 10 * torch.randn_like(target)
        tokens = self.tokens(condition)
        none = torch.zeros(len(tokens), device=tokens.device)
        found = [self._pair_errors(tokens, target) if settings.pairs else none]
        made: Pairs | None = None
        if settings.product or self._compares:
            made = detokenize(tokens, self.shapes)
        found.append(self._product_errors(made, pairs) if made and settings.product else none)
        found.append(
            self._divergence(made, pairs, batch.codes) if made and self._compares else none
        )
        weights = (settings.pairs, settings.product, settings.behaviour)
        return torch.stack([w * one for w, one in zip(weights, found, strict=True)], dim=1)

    @property
    def _compares(self) -> bool:
        return bool(self.settings.behaviour) and self.inputs is not None

    def _pair_errors(self, tokens: Tensor, target: Tensor) -> Float[Tensor, " networks"]:
        squares = (tokens - target).square() * self.mask
        weight = 1 / self.spread.square() if self.settings.standardise else (
            self.spread / self.spread.mean()
        )  # fmt: skip
        return (squares * weight[:, None, None]).sum((1, 2, 3)) / self.mask.sum()

    def _product_errors(self, made: Pairs, pairs: Pairs) -> Float[Tensor, " networks"]:
        errors = [
            (made[n][1] @ made[n][0] - b @ a).square().mean((1, 2)) / variance
            for (n, (a, b)), variance in zip(pairs.items(), self.variance, strict=True)
        ]
        return torch.stack(errors).mean(0)

    def _divergence(
        self, made: Pairs, pairs: Pairs, codes: Float[Tensor, "networks 1"]
    ) -> Float[Tensor, " networks"]:
        """Kullback–Leibler divergence of what the networks answer from what trained ones do."""
        assert self.inputs is not None
        assert self.teacher is not None
        own = not isinstance(self.inputs, Tensor)
        samples = self._samples(codes)
        count = min(self.settings.behaviour_inputs, len(samples[0]))
        chosen = torch.randperm(len(samples[0]))[:count] if self.training else slice(count)
        inputs = torch.stack([some[chosen] for some in samples]) if own else samples[0][chosen]
        with torch.no_grad():
            wanted = self.answers(pairs, inputs, own=own).log_softmax(-1)
        given = self.answers(made, inputs, own=own).log_softmax(-1)
        each = kl_div(given, wanted, reduction="none", log_target=True).sum(-1)
        return each.flatten(1).mean(1)

    def _samples(self, codes: Float[Tensor, "networks 1"]) -> list[Tensor]:
        """Samples of each network, or those that all share."""
        if isinstance(self.inputs, Tensor):
            return [self.inputs]
        assert self.inputs is not None
        return [self.inputs[self.conditions.text(n)] for n in codes[:, 0].long().tolist()]

    def answers(
        self, pairs: Pairs, inputs: Any, *, own: bool = False
    ) -> Float[Tensor, "networks *outputs"]:
        """Outputs of the base with each of these adapters.

        Args:
            pairs: Stacked.
            inputs: What the networks take.
            own: Whether inputs are those of each network, stacked.
        """
        assert self.teacher is not None
        return run_adapted(self.teacher.module, self.base_state(), pairs, inputs, own=own)

    def base_state(self) -> Mapping[str, Tensor]:
        """Tensors of the base by name, adapters among them as they are."""
        assert self.teacher is not None
        graph = self.teacher.architecture.graph
        return {
            name: self.base[graph.offsets[name] :][: tensor.numel()].view(tensor.shape)
            for name, tensor in graph.state.items()
        }


def run_adapted(
    module: nn.Module,
    base: Mapping[str, Tensor],
    pairs: Pairs,
    inputs: Any,
    *,
    own: bool = False,
) -> Float[Tensor, "networks *outputs"]:
    """Outputs of one network with each of many adapters.

    Args:
        module: The adapted network.
        base: Its tensors; those of adapters are of no account.
        pairs: Stacked.
        inputs: What it takes.
        own: Whether inputs are those of each adapter, stacked.
    """
    weights = {
        n + e: m for n, both in pairs.items() for e, m in zip((FIRST, SECOND), both, strict=True)
    }
    shared = {name: tensor for name, tensor in base.items() if name not in weights}

    def outputs(adapter: dict[str, Tensor], x: Any) -> Tensor:
        return functional_call(module, {**shared, **adapter}, (x,))

    return vmap(outputs, in_dims=(0, 0 if own else None))(weights, inputs)
