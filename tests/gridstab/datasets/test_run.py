import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridstab
from gnncore.storage import FolderInUseError, RecomputedWarning, exclusive_lock, read_hdf5
from gridstab.datasets import Campaign, RunFolder, run_campaign, verify
from gridstab.datasets.executors import LocalExecutor
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import RunFolderError
from tests.gridstab.disc_engine import DiscEngine
from tests.gridstab.run_bytes import promised_bytes

SAMPLES = 20
TINY_UNITS = 1e-4


class Backwards(LocalExecutor):
    """Takes units in blocks and finishes each block in a random order."""

    def __init__(self, seed: int) -> None:
        super().__init__(1)
        self.random = random.Random(seed)

    def map(self, function: Any, units: Any) -> Any:
        waiting = list(units)
        self.random.shuffle(waiting)
        for unit in waiting:
            yield unit, function(unit)


class BreakingError(Exception):
    pass


def test_results_are_those_of_simulate(campaign: Campaign, tmp_path: Path) -> None:
    run = run_campaign(campaign, tmp_path / "run", seconds_per_unit=TINY_UNITS)
    assert run.trajectories == 3 * 6 * SAMPLES
    for grid_id in (1, 2, 3):
        result = run.folder.result(grid_id)
        grid = gridstab.random_grid(6, seed=(5, grid_id))
        truth = gridstab.simulate(grid, SAMPLES, 5, DiscEngine(0.9, 0.92), grid_id=grid_id)
        assert result.grid == grid
        for name in ("n_stable", "n_undecided", "max_frequency_counts", "return_time_sum"):
            np.testing.assert_array_equal(getattr(result, name), getattr(truth, name))


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("seconds", [TINY_UNITS, 7 * TINY_UNITS, None])
def test_bytes_do_not_depend_on_workers_and_chunks(
    campaign: Campaign, tmp_path: Path, workers: int, seconds: float | None
) -> None:
    run_campaign(campaign, tmp_path / "a", workers=3)
    run_campaign(campaign, tmp_path / "b", workers=workers, seconds_per_unit=seconds)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")


@pytest.mark.parametrize("options", [{"precision": 0.1}, {"sampler": "sobol", "samples": 32}])
def test_bytes_with_adaptive_and_sobol_sampling(
    disc: DiscEngine, tmp_path: Path, options: dict[str, Any]
) -> None:
    campaign = Campaign.resolve(**{"nodes": 6, "samples": 400, "engine": "disc"} | options)
    run_campaign(campaign, tmp_path / "a", workers=1)
    run_campaign(campaign, tmp_path / "b", executor=Backwards(1), seconds_per_unit=TINY_UNITS)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")
    assert verify(tmp_path / "a") == []


@pytest.mark.parametrize("seed", range(3))
def test_bytes_do_not_depend_on_order_and_interruptions(
    campaign: Campaign, tmp_path: Path, seed: int
) -> None:
    run_campaign(campaign, tmp_path / "a")
    choose = random.Random(seed)
    for _ in range(4):
        stop_at = choose.randrange(campaign.grids * 6 * SAMPLES)

        def stop(stored: int, total: int, stop_at: int = stop_at) -> None:
            if stored > stop_at:
                raise BreakingError

        try:
            run_campaign(
                campaign,
                tmp_path / "b",
                executor=Backwards(seed),
                seconds_per_unit=choose.choice([TINY_UNITS, 3 * TINY_UNITS]),
                resume=True,
                on_progress=stop,
            )
        except BreakingError:
            continue
    run_campaign(campaign, tmp_path / "b", resume=True, seconds_per_unit=TINY_UNITS)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")
    assert not (tmp_path / "b" / "parts").exists()


@pytest.mark.parametrize(
    ("engine", "kills"),
    [("disc", 12), ("native", 4), pytest.param("native", 200, marks=pytest.mark.slow)],
)
def test_bytes_do_not_depend_on_kills(
    campaign: Campaign, tmp_path: Path, engine: str, kills: int
) -> None:
    campaign = campaign.model_copy(update={"engine": engine})
    run_campaign(campaign, tmp_path / "a")
    choose = random.Random(1)
    options: dict[str, Any] = {"seconds_per_unit": TINY_UNITS, "resume": True, "workers": 2}
    finished = 0
    for number in range(kills):
        child = os.fork()
        if child == 0:
            # The child must end here, whatever happens, and not as a second test session.
            try:
                run_campaign(campaign, tmp_path / "b", **options)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        # The first at once, so that one at least comes before the end on any machine.
        time.sleep(choose.uniform(0, 0.25) if number else 0.0)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if (tmp_path / "b" / "manifest.json").exists():
            finished += 1
            assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")
            shutil.rmtree(tmp_path / "b")
    run_campaign(campaign, tmp_path / "b", **options)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")
    assert finished < kills
    assert [file.name for file in (tmp_path / "b").rglob(".*")] == [".lock"]


def test_what_was_stored_is_not_simulated_again(
    campaign: Campaign, disc: DiscEngine, tmp_path: Path
) -> None:
    def stop(stored: int, total: int) -> None:
        if stored >= total // 2:
            raise BreakingError

    options: dict[str, Any] = {"out": tmp_path / "a", "seconds_per_unit": TINY_UNITS, "workers": 1}
    with pytest.raises(BreakingError):
        run_campaign(campaign, on_progress=stop, **options)
    kept = sum(_samples(file) for file in (tmp_path / "a").glob("*/*.h5"))
    assert kept >= 3 * 6 * SAMPLES // 2
    disc.batches.clear()
    run = run_campaign(campaign, resume=True, **options)
    assert run.trajectories == sum(disc.batches) == 3 * 6 * SAMPLES - kept
    assert run_campaign(campaign, resume=True, **options).trajectories == 0


def test_damaged_parts_and_grids_are_simulated_again(campaign: Campaign, tmp_path: Path) -> None:
    run_campaign(campaign, tmp_path / "a")
    run_campaign(campaign, tmp_path / "b")
    (tmp_path / "b" / "manifest.json").unlink()
    grid = tmp_path / "b" / "grids" / "00002.h5"
    grid.write_bytes(grid.read_bytes()[:-100])
    with pytest.warns(RecomputedWarning, match=r"00001\.h5': it has no seal"):
        run_campaign(campaign, tmp_path / "b", resume=True)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")


def test_the_file_of_a_grid_is_in_the_published_layout(campaign: Campaign, tmp_path: Path) -> None:
    run_campaign(campaign, tmp_path / "run")
    arrays = read_hdf5(
        tmp_path / "run" / "grids" / "00002.h5", lambda file: {k: file[k][()] for k in file}
    )
    grid = gridstab.random_grid(6, seed=(5, 2))
    np.testing.assert_array_equal(arrays["edge_index"][::2], grid.lines + 1)
    np.testing.assert_array_equal(arrays["edge_index"][1::2], grid.lines[:, ::-1] + 1)
    np.testing.assert_array_equal(arrays["edge_attr"], np.full(2 * grid.num_lines, 9.0))
    np.testing.assert_array_equal(arrays["P"], grid.power)
    np.testing.assert_array_equal(arrays["snbs"], arrays["n_stable"] / SAMPLES)
    np.testing.assert_array_equal(arrays["coordinates"], grid.coordinates)
    np.testing.assert_allclose(arrays["theta"], gridstab.operating_point(grid), atol=1e-12)
    below = arrays["max_frequency_counts"][:, :150].sum(axis=1)
    np.testing.assert_array_equal(arrays["surv"], below / SAMPLES)


def test_a_failing_unit_spares_the_others(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Faulty(DiscEngine):
        def run(self, model: Any, perturbations: Any, **options: Any) -> Any:
            if model.grid == broken and 3 in perturbations.node:
                raise ArithmeticError("a bad node")
            return super().run(model, perturbations, **options)

    broken = gridstab.random_grid(6, seed=(5, 2))
    monkeypatch.setitem(ENGINES, "disc", lambda: Faulty(0.9, 0.92))
    run = run_campaign(campaign, tmp_path / "b", seconds_per_unit=TINY_UNITS)
    assert {(unit.grid_id, 3 in unit.nodes) for unit, _ in run.failures} == {(2, True)}
    assert all(isinstance(error, ArithmeticError) for _, error in run.failures)
    assert run.folder.grid_ids == [1, 3]
    assert not run.folder.is_complete
    assert "a bad node" in (tmp_path / "b" / "timing.json").read_text()

    monkeypatch.setitem(ENGINES, "disc", lambda: DiscEngine(0.9, 0.92))
    run_campaign(campaign, tmp_path / "b", seconds_per_unit=TINY_UNITS, resume=True)
    run_campaign(campaign, tmp_path / "a")
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")


def test_an_existing_run_is_continued_on_request_only(campaign: Campaign, tmp_path: Path) -> None:
    run_campaign(campaign, tmp_path)
    before = promised_bytes(tmp_path)
    with pytest.raises(RunFolderError, match="--resume"):
        run_campaign(campaign, tmp_path)
    other = campaign.model_copy(update={"samples": 21})
    for resume in (False, True):
        with pytest.raises(RunFolderError, match="samples is 20 there and 21 here"):
            run_campaign(other, tmp_path, resume=resume)
    assert promised_bytes(tmp_path) == before


@pytest.mark.parametrize("config", [None, "{}", "[1]", "not JSON", '{"format": 99}'])
def test_a_foreign_folder_is_left_alone(
    campaign: Campaign, tmp_path: Path, config: str | None
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    before = sorted(tmp_path.iterdir())
    for resume in (False, True):
        with pytest.raises(RunFolderError) as caught:
            run_campaign(campaign, tmp_path, resume=resume)
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_killed_at_birth_is_continued(campaign: Campaign, tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / f".config.{'0' * 16}.part.json").touch()
    (tmp_path / "grids").mkdir()
    run_campaign(campaign, tmp_path)
    assert verify(tmp_path) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".lock",
        "config.json",
        "grids",
        "manifest.json",
        "timing.json",
    ]


def test_two_runs_do_not_share_a_folder(campaign: Campaign, tmp_path: Path) -> None:
    with exclusive_lock(tmp_path), pytest.raises(FolderInUseError, match="another run"):
        run_campaign(campaign, tmp_path)


def test_auto_is_resolved_and_remembered(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_campaign(campaign, tmp_path)
    auto = campaign.model_copy(update={"engine": "auto"})
    assert run_campaign(auto, tmp_path, resume=True).trajectories == 0
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["campaign"]["engine"] == "disc"
    assert stored["code_version"] == gridstab.__version__
    assert not {"workers", "executor", "out"} & stored["campaign"].keys()


def test_progress_reaches_the_total(campaign: Campaign, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run_campaign(campaign, tmp_path, on_progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1] == (3 * 6 * SAMPLES, 3 * 6 * SAMPLES)
    assert RunFolder.open(tmp_path).num_grids == 3


def _samples(file: Path) -> int:
    return int(read_hdf5(file, lambda opened: opened["n_samples"][()].sum()))


def test_the_folder_of_other_work_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "gridstab.training", "format": 1}')
    with pytest.raises(RunFolderError, match=r"is no run folder but one of kind 'gridstab\.train"):
        RunFolder.open(tmp_path)
