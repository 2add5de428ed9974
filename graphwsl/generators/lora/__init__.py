"""Prompts to low-rank adapters: zoos of adapters, their tokens and canonical form, a generator.

>>> import torch
>>> from graphwsl.generators.lora import canonical, detokenize, tokenize
>>> pairs = {"layer": (torch.randn(4, 64), torch.randn(32, 4))}
>>> tokenize(pairs, width=64).shape
torch.Size([2, 6, 66])
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.generators.lora.canonical_form import canonical as canonical
    from graphwsl.generators.lora.files import load_adapters as load_adapters
    from graphwsl.generators.lora.files import save_adapters as save_adapters
    from graphwsl.generators.lora.generator import PromptToLora as PromptToLora
    from graphwsl.generators.lora.low_rank import LowRankLinear as LowRankLinear
    from graphwsl.generators.lora.low_rank import adapted as adapted
    from graphwsl.generators.lora.networks import adapted_networks as adapted_networks
    from graphwsl.generators.lora.networks import pairs_of as pairs_of
    from graphwsl.generators.lora.peft_files import load_adapter as load_adapter
    from graphwsl.generators.lora.peft_files import save_adapter as save_adapter
    from graphwsl.generators.lora.prompts import encode_prompts as encode_prompts
    from graphwsl.generators.lora.reference_adapters import references as references
    from graphwsl.generators.lora.tokens import TokenShapes as TokenShapes
    from graphwsl.generators.lora.tokens import detokenize as detokenize
    from graphwsl.generators.lora.tokens import tokenize as tokenize
    from graphwsl.generators.lora.training import train_adapters as train_adapters

# Imported on first use: torch takes seconds to import.
_HOME = {
    "LowRankLinear": "low_rank",
    "PromptToLora": "generator",
    "TokenShapes": "tokens",
    "adapted": "low_rank",
    "adapted_networks": "networks",
    "canonical": "canonical_form",
    "detokenize": "tokens",
    "encode_prompts": "prompts",
    "load_adapter": "peft_files",
    "load_adapters": "files",
    "pairs_of": "networks",
    "references": "reference_adapters",
    "save_adapter": "peft_files",
    "save_adapters": "files",
    "tokenize": "tokens",
    "train_adapters": "training",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
