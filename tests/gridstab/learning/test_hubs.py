"""Nodes of so many lines that memory would not hold their features are refused beforehand."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from gnncore.memory import machine_memory
from gridstab.errors import DatasetError
from gridstab.features.feature_set import FEATURE_SETS, FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning import hubs
from gridstab.learning.hubs import hub_memory, require_memory
from gridstab.learning.predicting import predict
from gridstab.learning.preparation import prepare_features

SOLITARY = ["local", "local_nodes", "parametric", "parametric_nodes", "solitary", "trapping_nodes"]


def star(leaves: int) -> PowerGrid:
    lines = np.stack([np.zeros(leaves, np.int64), np.arange(1, leaves + 1)], axis=1)
    power = np.r_[-0.1 * leaves, np.full(leaves, 0.1)]
    labels = ["Main Street", *map(str, range(leaves))]
    return PowerGrid.from_arrays(lines, power, name="star", labels=labels)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "machine_memory", lambda: 16 * 10**9)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("name", SOLITARY)
def test_a_hub_beyond_memory(name: str) -> None:
    said = r"node Main Street of 'star' has 1,500 lines, .* solitary_.* need about \d+ GB of memory"
    with pytest.raises(DatasetError, match=f"{said}, and there are 16 GB; .*--features published"):
        prepare_features([star(3), star(1500)], FeatureSet.named(name))


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("name", sorted({*FEATURE_SETS} - {*SOLITARY}))
def test_other_features_ask_for_nothing(name: str) -> None:
    require_memory(FeatureSet.named(name), [star(1500)])


@pytest.mark.usefixtures("_small")
def test_what_fits_is_computed() -> None:
    chain = PowerGrid.from_arrays([[k, k + 1] for k in range(2999)], np.tile([0.1, -0.1], 1500))
    for grid in (chain, star(300)):
        require_memory(FeatureSet.named("parametric"), [grid])


def test_as_much_as_was_measured() -> None:
    # Peaks of processes, less what they held before: plans of complete graphs, answers of stars.
    assert hub_memory(600, 1) == pytest.approx(1.74e9, rel=0.15)
    assert hub_memory(150, 291) == pytest.approx(0.526e9, rel=0.15)
    assert hub_memory(150, 576) == pytest.approx(0.987e9, rel=0.15)


def test_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert machine_memory() is None
    require_memory(FeatureSet.named("local"), [star(1500)])


@pytest.mark.usefixtures("_small")
def test_predictions_refuse_it_too(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hubs.FREQUENCIES, "power", 290)  # the only feature of that small model
    with pytest.raises(DatasetError, match=re.escape("node Main Street of 'star'")):
        predict(trained_run, star(1500))
