"""Attacks kill processes and change files, but take no disk its power away."""

import os
from collections.abc import Iterator

import pytest

from gridstab.dynamics.engines import ENGINES
from tests.attacks.campaigns import register_disc


@pytest.fixture(autouse=True, scope="package")
def _flush_nothing() -> Iterator[None]:
    """Flushing takes most of the time of small works, and no kill undoes what is not flushed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="package")
def _disc() -> Iterator[None]:
    """The engine of the campaigns under attack, for these tests alone."""
    register_disc()
    yield
    del ENGINES["disc"]
