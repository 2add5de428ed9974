"""Bringing networks of one architecture into line by their symmetries: pairs, and populations."""

from graphwsl.alignment.canonical import canonical_form
from graphwsl.alignment.population_alignment import PopulationAlignment, align_population
from graphwsl.alignment.reference_alignment import align_to
from graphwsl.alignment.weight_matching import Alignment, align

__all__ = [
    "Alignment",
    "PopulationAlignment",
    "align",
    "align_population",
    "align_to",
    "canonical_form",
]
