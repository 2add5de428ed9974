"""Bringing two networks of one architecture into line by their symmetries."""

from graphwsl.alignment.weight_matching import Alignment, align

__all__ = ["Alignment", "align"]
