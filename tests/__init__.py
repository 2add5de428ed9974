"""The tests, and what several of them share: ``from tests.graphwsl.network_families import …``."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout; processes that tests start there find all its packages, the tests among them."""
