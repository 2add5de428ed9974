"""Campaigns that take milliseconds: an engine whose outcomes are a formula."""

import pytest

from gridstab.datasets import Campaign
from gridstab.dynamics.engines import ENGINES
from tests.gridstab.disc_engine import DiscEngine


@pytest.fixture
def disc(monkeypatch: pytest.MonkeyPatch) -> DiscEngine:
    """The disc engine, known by its name."""
    engine = DiscEngine(radius=0.9, undecided_to=0.92)
    monkeypatch.setitem(ENGINES, "disc", lambda: engine)
    return engine


@pytest.fixture
def campaign(disc: DiscEngine) -> Campaign:
    return Campaign.resolve(nodes=6, grids=3, samples=20, seed=5, engine="disc")
