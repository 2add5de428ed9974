"""Attacks kill processes and change files, but take no disk its power away."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def _flush_nothing() -> Iterator[None]:
    """Flushing takes most of the time of small works, and no kill undoes what is not flushed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
