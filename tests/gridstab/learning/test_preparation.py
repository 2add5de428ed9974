"""Features of many grids: the same bits however they were computed, and none computed twice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gridstab import random_grid
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning import preparation
from gridstab.learning.cache import Cache
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.preparation import CHUNK, forget_features, prepare_features

FEATURES = FeatureSet.named("operating_point")
GRIDS = [random_grid(4 + 2 * (seed % 4), seed=seed) for seed in range(2 * CHUNK + 5)]


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Grid by grid, by the features themselves."""
    x, edge_attr = zip(*map(FEATURES.compute, GRIDS), strict=True)
    return np.concatenate(x).astype(np.float32), np.concatenate(edge_attr).astype(np.float32)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the grids whose features were computed in this process."""
    names: list[str] = []
    compute = FeatureSet.compute

    def listening(self: FeatureSet, grid: PowerGrid) -> tuple[np.ndarray, np.ndarray]:
        names.append(grid.content_hash)
        return compute(self, grid)

    monkeypatch.setattr(FeatureSet, "compute", listening)
    return names


def same(found: tuple[np.ndarray, np.ndarray], truth: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(
        one.dtype == np.float32 and one.tobytes() == other.tobytes()
        for one, other in zip(found, truth, strict=True)
    )


def stop_after(grids: int) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        assert total == len(GRIDS)
        if done >= grids:
            raise KeyboardInterrupt

    return stop


def test_they_are_those_of_every_grid(truth: tuple[np.ndarray, np.ndarray]) -> None:
    told: list[tuple[int, int]] = []
    found = prepare_features(GRIDS, FEATURES, on_progress=lambda *now: told.append(now))
    assert same(found, truth)
    total = len(GRIDS)
    assert told == [(CHUNK, total), (2 * CHUNK, total), (total, total)]


def test_the_number_of_processes_does_not_matter(
    truth: tuple[np.ndarray, np.ndarray],
    computed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "WORTH_PROCESSES", 0.0)
    cache = Cache(tmp_path)
    assert same(prepare_features(GRIDS, FEATURES, cache=cache, workers=2), truth)
    assert len(computed) == CHUNK  # all but the first of them elsewhere
    assert same(prepare_features(GRIDS, FEATURES, cache=cache), truth)
    assert len(computed) == CHUNK


def test_little_work_starts_no_processes(
    truth: tuple[np.ndarray, np.ndarray], computed: list[str]
) -> None:
    assert same(prepare_features(GRIDS, FEATURES, workers=8), truth)
    assert len(computed) == len(GRIDS)


def test_what_was_computed_is_kept_and_found_by_its_content(
    truth: tuple[np.ndarray, np.ndarray], computed: list[str], tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prepare_features(GRIDS, FEATURES, cache=cache, on_progress=stop_after(CHUNK))
    with pytest.raises(KeyboardInterrupt):
        prepare_features(GRIDS, FEATURES, cache=cache, on_progress=stop_after(2 * CHUNK))
    told: list[int] = []
    found = prepare_features(
        GRIDS, FEATURES, cache=cache, on_progress=lambda done, _: told.append(done)
    )
    assert same(found, truth)
    assert sorted(computed) == sorted(grid.content_hash for grid in GRIDS)  # each of them once
    assert told == [2 * CHUNK, len(GRIDS)]
    # Other grids, and other features of the same, are others.
    prepare_features(GRIDS[1:], FEATURES, cache=cache)
    prepare_features(GRIDS[:CHUNK], FEATURES.without("phase"), cache=cache)
    assert len(computed) == 2 * len(GRIDS) - 1 + CHUNK


def test_damage_is_computed_again(
    truth: tuple[np.ndarray, np.ndarray], computed: list[str], tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    prepare_features(GRIDS, FEATURES, cache=cache)
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert len(files) == 3
    data = bytearray(files[0].read_bytes())
    data[-1] ^= 1
    files[0].write_bytes(data)
    shutil.copy(files[1], files[2])  # whole, and of other grids
    computed.clear()
    assert same(prepare_features(GRIDS, FEATURES, cache=cache), truth)
    assert 0 < len(computed) < len(GRIDS)
    forget_features(GRIDS, FEATURES, cache)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_data_set_keeps_its_features_once(
    labelled_run: Path, computed: list[str], tmp_path: Path
) -> None:
    first = load_grid_dataset(labelled_run, cache=tmp_path, workers=3)
    assert len(computed) == 12
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1  # the pieces are gone
    again = load_grid_dataset(labelled_run, cache=tmp_path)
    assert len(computed) == 12
    assert first.store.content_hash == again.store.content_hash


def test_bad_grids_and_workers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameterError, match="workers must be at least 1, got 0"):
        prepare_features(GRIDS, FEATURES, workers=0)
    compute = FeatureSet.compute

    def failing(self: FeatureSet, grid: PowerGrid) -> tuple[np.ndarray, np.ndarray]:
        if grid is GRIDS[CHUNK + 1]:
            raise DatasetError("feature 'power' of this grid is nan at node 0")
        return compute(self, grid)

    monkeypatch.setattr(FeatureSet, "compute", failing)
    with pytest.raises(DatasetError, match="of this grid is nan"):
        prepare_features(GRIDS, FEATURES)
