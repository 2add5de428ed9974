"""Architectures of ``transformers``, each below 100,000 parameters.

Every structure of the original is there (heads, groups of heads, stages, shared layers), at the
smallest sizes that tell all of them apart.
"""

from typing import Any

ENCODER: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}
DECODER = {**ENCODER, "num_attention_heads": 4, "num_key_value_heads": 2}
VISION: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

SMALL_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "BERT": ("bert", ENCODER),
    "RoBERTa": ("roberta", ENCODER),
    "DistilBERT": (
        "distilbert",
        {"vocab_size": 64, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    ),
    "ALBERT": ("albert", {**ENCODER, "embedding_size": 8}),
    "ELECTRA": ("electra", {**ENCODER, "embedding_size": 8}),
    "DeBERTa-v2": (
        "deberta-v2",
        {**ENCODER, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    ),
    "GPT-2": (
        "gpt2",
        {"vocab_size": 64, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    ),
    "GPT-Neo": (
        "gpt_neo",
        {
            "vocab_size": 64,
            "hidden_size": 16,
            "num_layers": 2,
            "attention_types": [[["global", "local"], 1]],
            "num_heads": 2,
            "window_size": 4,
            "max_position_embeddings": 32,
        },
    ),
    "GPT-NeoX": ("gpt_neox", ENCODER),
    "OPT": (
        "opt",
        {
            "vocab_size": 64,
            "hidden_size": 16,
            "word_embed_proj_dim": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "ffn_dim": 24,
            "max_position_embeddings": 32,
            **TOKENS,
        },
    ),
    "BLOOM": ("bloom", {"vocab_size": 64, "hidden_size": 16, "n_layer": 2, "n_head": 2}),
    "Llama": ("llama", DECODER),
    "Mistral": ("mistral", DECODER),
    "Qwen2": ("qwen2", DECODER),
    "Qwen3": ("qwen3", {**DECODER, "head_dim": 4}),
    "Gemma": ("gemma", {**DECODER, "head_dim": 4, **TOKENS}),
    "Phi": ("phi", {**DECODER, "partial_rotary_factor": 0.5, **TOKENS}),
    "Falcon": (
        "falcon",
        {
            "vocab_size": 64,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            **TOKENS,
        },
    ),
    "T5": (
        "t5",
        {
            "vocab_size": 64,
            "d_model": 16,
            "d_kv": 8,
            "d_ff": 24,
            "num_layers": 2,
            "num_heads": 2,
            "decoder_start_token_id": 0,
        },
    ),
    "BART": (
        "bart",
        {
            "vocab_size": 64,
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "decoder_ffn_dim": 24,
            "max_position_embeddings": 32,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": None,
            **TOKENS,
        },
    ),
    "Whisper": (
        "whisper",
        {
            "vocab_size": 64,
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "decoder_ffn_dim": 24,
            "num_mel_bins": 8,
            "max_source_positions": 10,
            "max_target_positions": 12,
            "decoder_start_token_id": 1,
            **TOKENS,
        },
    ),
    "ViT": ("vit", VISION),
    "DeiT": ("deit", VISION),
    "BEiT": ("beit", {**VISION, "use_relative_position_bias": True}),
    "DINOv2": ("dinov2", {**VISION, "mlp_ratio": 2}),
    "Swin": (
        "swin",
        {
            "image_size": 32,
            "patch_size": 4,
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
    ),
    "ConvNeXt": (
        "convnext",
        {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2, "image_size": 32},
    ),
    "ResNet": (
        "resnet",
        {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 2]},
    ),
    "RegNet": (
        "regnet",
        {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 2], "groups_width": 8},
    ),
    "MobileNetV1": ("mobilenet_v1", {"depth_multiplier": 0.125, "image_size": 32}),
    "MobileNetV2": (
        "mobilenet_v2",
        {"depth_multiplier": 0.1, "min_depth": 4, "depth_divisible_by": 4, "image_size": 32},
    ),
    "EfficientNet": (
        "efficientnet",
        {
            "image_size": 32,
            "width_coefficient": 0.25,
            "depth_divisor": 4,
            "hidden_dim": 320,
            "kernel_sizes": [3, 5],
            "in_channels": [32, 16],
            "out_channels": [16, 24],
            "strides": [1, 2],
            "num_block_repeats": [1, 2],
            "expand_ratios": [1, 6],
            "depthwise_padding": [],
        },
    ),
    "SegFormer": (
        "segformer",
        {
            "num_encoder_blocks": 2,
            "depths": [1, 1],
            "sr_ratios": [2, 1],
            "hidden_sizes": [8, 16],
            "patch_sizes": [7, 3],
            "strides": [4, 2],
            "num_attention_heads": [1, 2],
            "mlp_ratios": [2, 2],
            "decoder_hidden_size": 16,
        },
    ),
    "CLIP": (
        "clip",
        {
            "text_config": {**ENCODER, **TOKENS},
            "vision_config": VISION,
            "projection_dim": 8,
            "head": "AutoModel",
        },
    ),
    "wav2vec2": (
        "wav2vec2",
        {
            "vocab_size": 32,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "conv_dim": (8, 8),
            "conv_stride": (5, 2),
            "conv_kernel": (10, 3),
            "num_conv_pos_embeddings": 8,
            "num_conv_pos_embedding_groups": 2,
        },
    ),
    "Mamba": (
        "mamba",
        {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4},
    ),
}
"""From the name in the table to the architecture's name in transformers and its settings."""
