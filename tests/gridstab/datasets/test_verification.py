import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnncore.storage import Manifest, create_dataset, read_hdf5, write_hdf5
from gridstab.datasets import Campaign, run_campaign, verify
from gridstab.datasets.run_folder import NOT_PROMISED
from gridstab.errors import RunFolderError


@pytest.fixture
def run(campaign: Campaign, tmp_path: Path) -> Path:
    run_campaign(campaign, tmp_path / "run")
    return tmp_path / "run"


def test_a_fresh_run_has_no_problem(run: Path) -> None:
    assert verify(run) == []


def test_pictures_and_timing_may_change(run: Path) -> None:
    (run / "grid.png").write_bytes(b"a picture")
    (run / "timing.json").write_text("{}")
    assert verify(run) == []


@pytest.mark.parametrize(
    "mutations", [40, pytest.param(500, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_every_mutation_is_found(run: Path, tmp_path: Path, mutations: int) -> None:
    choose = random.Random(1)
    for number in range(mutations):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(run, copy)
        files = [copy / "config.json", copy / "manifest.json", *sorted(copy.glob("grids/*"))]
        file = choose.choice(files)
        kind = choose.choice(["flip", "truncate", "delete", "swap"])
        data = bytearray(file.read_bytes())
        if kind == "flip":
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
            file.write_bytes(data)
        elif kind == "truncate":
            file.write_bytes(data[: choose.randrange(len(data))])
        elif kind == "delete":
            file.unlink()
        else:
            first, second = copy / "grids" / "00001.h5", copy / "grids" / "00002.h5"
            first.rename(copy / "other")
            second.rename(first)
            (copy / "other").rename(second)
        try:
            problems = verify(copy)
        except RunFolderError:
            problems = ["no run folder"]
        assert problems, (kind, file)
        assert all("\n" not in problem for problem in problems)
        shutil.rmtree(copy)


def test_an_unfinished_run_says_so(campaign: Campaign, tmp_path: Path) -> None:
    def stop(stored: int, total: int) -> None:
        if stored > total // 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_campaign(campaign, tmp_path / "run", workers=1, on_progress=stop)
    problems = verify(tmp_path / "run")
    assert len(problems) == 1
    assert problems[0].startswith("unfinished: 2 of 3 grids")


def test_grids_without_seals_are_problems_of_an_unfinished_run(run: Path) -> None:
    (run / "manifest.json").unlink()
    problems = verify(run)
    assert problems[0].startswith("unfinished: 3 of 3 grids")
    assert [text.split(": ")[-1] for text in problems[1:]] == ["it has no seal"] * 3


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("snbs", 0.5, "snbs is not"),
        ("surv", -0.05, "surv does not"),
        ("n_stable", 1000, "negative"),
        ("reason_counts", 1, "reason_counts"),
        ("max_frequency_counts", 1, "max_frequency_counts"),
        ("theta", 0.1, "theta"),
    ],
)
def test_inconsistent_numbers_are_found(run: Path, name: str, change: Any, match: str) -> None:
    """Even where a manifest was written over them."""
    path = run / "grids" / "00002.h5"
    arrays, attributes = read_hdf5(
        path, lambda file: ({k: file[k][()] for k in file}, dict(file.attrs))
    )
    arrays[name].flat[0] += np.asarray(change, arrays[name].dtype)

    def fill(file: Any) -> None:
        for key, array in arrays.items():
            create_dataset(file, key, array)
        file.attrs.update(attributes)

    write_hdf5(path, fill)
    Manifest.of(run, NOT_PROMISED).write()
    problems = verify(run)
    assert problems
    assert all(problem.startswith("grid 2: ") for problem in problems)
    assert any(match in problem for problem in problems)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="it has no config"):
        verify(tmp_path)
    with pytest.raises(RunFolderError, match="no folder"):
        verify(tmp_path / "none")
