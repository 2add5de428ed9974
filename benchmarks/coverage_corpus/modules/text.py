"""Networks that read: words in Thai, pronunciation, antibodies."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class Tokenizer(nn.Module):
    """Where words end: three dilated convolutions side by side, the largest of them."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in ("embeddings", "ch_embeddings", "sy_embeddings"):
            if f"{name}.weight" in state:
                self.add_module(name, nn.Embedding(*state[f"{name}.weight"].shape))
        for number, dilation in ((1, 1), (2, 3), (3, 2)):
            filters, channels, size = state[f"conv{number}.conv.weight"].shape
            padding = size // 2 * dilation
            block = nn.Module()
            block.conv = nn.Conv1d(channels, filters, size, padding=padding, dilation=dilation)
            if f"conv{number}.bn.weight" in state:
                block.bn = nn.BatchNorm1d(filters)
            self.add_module(f"conv{number}", block)
        self.linear1 = nn.Linear(filters, state["linear1.weight"].shape[0])
        self.linear2 = nn.Linear(state["linear1.weight"].shape[0], 1)

    def forward(self, *tokens: Tensor) -> Tensor:
        embeddings = [layer for layer in self.children() if isinstance(layer, nn.Embedding)]
        x = torch.cat([layer(t) for layer, t in zip(embeddings, tokens, strict=True)], -1)
        branches = []
        for number in (1, 2, 3):
            block = self.get_submodule(f"conv{number}")
            layers = nn.Sequential(*block.children())
            branches.append(layers(x.transpose(1, 2)).transpose(1, 2))
        x = torch.stack(branches).amax(0)
        return self.linear2(functional.relu(self.linear1(x))).squeeze(-1)


class Pronunciation(nn.Module):
    """From letters to sounds: a gated recurrent unit that reads, and one that speaks."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.enc_emb = nn.Embedding(*state["enc_emb.weight"].shape)
        self.dec_emb = nn.Embedding(*state["dec_emb.weight"].shape)
        size = self.enc_emb.embedding_dim
        self.enc = nn.GRU(size, size, batch_first=True)
        self.dec = nn.GRU(size, size, batch_first=True)
        self.fc = nn.Linear(size, self.dec_emb.num_embeddings)

    def forward(self, letters: Tensor, sounds: Tensor) -> Tensor:
        _, hidden = self.enc(self.enc_emb(letters))
        outputs, _ = self.dec(self.dec_emb(sounds), hidden)
        return self.fc(outputs)


class Attention(nn.Module):
    """Multi-head attention under the name that it has in the files."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        result: Tensor = self.multihead_attn(x, memory, memory, attn_mask=mask)[0]
        return result


class Block(nn.Module):
    """A layer of the encoder or the decoder, normalised after each residual sum."""

    def __init__(self, channels: int, heads: int, hidden: int, crossing: bool) -> None:
        super().__init__()
        self.self_attention = Attention(channels, heads)
        self.self_attn_layer_norm = nn.LayerNorm(channels)
        if crossing:
            self.encoder_attention = Attention(channels, heads)
            self.enc_attn_layer_norm = nn.LayerNorm(channels)
        self.positionwise_feedforward = nn.Module()
        self.positionwise_feedforward.fc_1 = nn.Linear(channels, hidden)
        self.positionwise_feedforward.fc_2 = nn.Linear(hidden, channels)
        self.ff_layer_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, memory: Tensor | None, mask: Tensor | None) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attention(x, x, mask))
        if memory is not None:
            x = self.enc_attn_layer_norm(x + self.encoder_attention(x, memory))
        forward = self.positionwise_feedforward
        return self.ff_layer_norm(x + forward.fc_2(functional.relu(forward.fc_1(x))))


class Stack(nn.Module):
    """Embeddings of tokens and positions, then layers."""

    def __init__(self, state: Mapping[str, Tensor], prefix: str, heads: int) -> None:
        super().__init__()
        tokens = state[f"{prefix}.tok_embedding.weight"].shape
        self.tok_embedding = nn.Embedding(*tokens)
        self.pos_embedding = nn.Embedding(*state[f"{prefix}.pos_embedding.weight"].shape)
        hidden = state[f"{prefix}.layers.0.positionwise_feedforward.fc_1.weight"].shape[0]
        count = len({key.split(".")[2] for key in state if key.startswith(f"{prefix}.layers.")})
        crossing = prefix == "decoder"
        self.layers = nn.ModuleList(
            [Block(tokens[1], heads, hidden, crossing) for _ in range(count)]
        )
        if crossing:
            self.fc_out = nn.Linear(tokens[1], state["decoder.fc_out.weight"].shape[0])

    def forward(self, ids: Tensor, memory: Tensor | None = None) -> Tensor:
        scale = math.sqrt(self.tok_embedding.embedding_dim)
        positions = torch.arange(ids.shape[1])
        x = self.tok_embedding(ids) * scale + self.pos_embedding(positions)
        mask = None
        if memory is not None:
            mask = torch.ones(ids.shape[1], ids.shape[1]).triu(1).bool()
        for layer in self.layers:
            x = layer(x, memory, mask)
        return x if memory is None else self.fc_out(x)


class Numbering(nn.Module):
    """Numbers the residues of an antibody: an encoder and a decoder with four heads."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.encoder = Stack(state, "encoder", 4)
        self.decoder = Stack(state, "decoder", 4)

    def forward(self, residues: Tensor, numbers: Tensor) -> Tensor:
        return self.decoder(numbers, self.encoder(residues))
