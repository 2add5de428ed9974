"""Graph neural network layers, all of one signature, each by its name.

A layer maps the signal on nodes and edges to the next one:

>>> import torch
>>> from gnncore.layers import make_layer
>>> layer = make_layer("dirac_bianconi", 16, 16, edge_channels=16, num_steps=12)
>>> x, edge_attr = torch.randn(3, 16), torch.randn(4, 16)
>>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
>>> x, edge_attr = layer(x, edge_index, edge_attr)
"""

from gnncore.layers.dirac_bianconi import DiracBianconiConv, SemiImplicitDiracBianconiConv
from gnncore.layers.encodings import laplacian_encoding, random_walk_encoding
from gnncore.layers.gcn2 import GCN2Layer
from gnncore.layers.gps import GPSLayer
from gnncore.layers.layer import GraphLayer
from gnncore.layers.message_passing import MessagePassingLayer
from gnncore.layers.registry import LAYERS, LayerFactory, make_layer, register_layer
from gnncore.layers.relational_transformer import RelationalTransformerLayer

__all__ = [
    "LAYERS",
    "DiracBianconiConv",
    "GCN2Layer",
    "GPSLayer",
    "GraphLayer",
    "LayerFactory",
    "MessagePassingLayer",
    "RelationalTransformerLayer",
    "SemiImplicitDiracBianconiConv",
    "laplacian_encoding",
    "make_layer",
    "random_walk_encoding",
    "register_layer",
]
