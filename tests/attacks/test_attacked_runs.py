"""Campaigns under attack: whatever happened to the folder, the labels are right or are refused."""

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnncore.storage import RecomputedWarning, StorageError, read_json, write_json
from gridstab.cli import app
from gridstab.datasets import RunFolder, export_run, verify
from gridstab.datasets import run as running
from gridstab.datasets.resuming import stored_work
from gridstab.errors import GridstabError, RunFolderError
from tests.attacks.campaigns import GRIDS, arrays_of, campaign, outcome, stop_after, work
from tests.attacks.kills import every_kill
from tests.attacks.mutations import flip, mutate
from tests.attacks.pairs import Ended, race
from tests.gridstab.run_bytes import promised_bytes

posix = pytest.mark.skipif(os.name == "nt", reason="forks and links")
REFUSED = (GridstabError, StorageError)
HALF = 120  # trajectories: the first grid and half of the second


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    work(folder)
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("half") / "run"
    stop_after(folder, HALF)
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same folders of a campaign with another seed."""
    folder = tmp_path_factory.mktemp("others")
    work(folder / "whole", seed=6)
    stop_after(folder / "half", HALF, seed=6)
    return {"whole": folder / "whole", "half": folder / "half"}


@pytest.fixture
def torn(half: Path, tmp_path: Path) -> Path:
    """A copy of the unfinished run, to be changed."""
    return Path(shutil.copytree(half, tmp_path / "torn"))


@pytest.fixture
def done(whole: Path, tmp_path: Path) -> Path:
    """A copy of the complete run, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "done"))


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "parts").iterdir())


# Kills


@posix
@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_step_changes_nothing(whole: Path, tmp_path: Path, stride: int) -> None:
    """And a resume has nothing to warn of, since warnings are errors here."""
    folder, kills = tmp_path / "run", 0
    for _ in every_kill(folder, lambda: work(folder), stride=stride):
        kills += 1
        work(folder)
        assert promised_bytes(folder) == promised_bytes(whole)
        assert verify(folder) == []
        assert [file.name for file in folder.rglob(".*")] == [".lock"]
        shutil.rmtree(folder)
    assert kills > 50 // stride


@posix
@pytest.mark.parametrize("stride", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_while_a_complete_run_is_repaired(
    done: Path, whole: Path, tmp_path: Path, stride: int
) -> None:
    (done / "grids" / "00002.h5").unlink()
    folder, kills = tmp_path / "run", 0
    shutil.copytree(done, folder)
    for _ in every_kill(folder, lambda: quietly(folder), stride=stride):
        kills += 1
        quietly(folder)
        assert promised_bytes(folder) == promised_bytes(whole)
        shutil.rmtree(folder)
        shutil.copytree(done, folder)
    assert kills > 20 // stride


def quietly(folder: Path, seed: int = 5) -> running.Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecomputedWarning)
        return work(folder, seed)


# Pairs


def simulate(folder: Path, seed: int, *more: str) -> Any:
    """The command of a user, as a function for a process of its own."""
    size = ["--nodes", "4", "--grids", "2", "--samples", "20", "--engine", "disc"]
    options = ["--seed", str(seed), "--out", str(folder), "--no-picture", "--quiet", *more]
    arguments = ["simulate", *size, *options]
    return lambda: app(arguments)


def assert_one_won(ended: list[Ended], folder: Path, truths: dict[int, Path]) -> None:
    winners = [number for number, end in enumerate(ended) if end.status == 0]
    assert len(winners) == 1, ended
    (loser,) = (end for end in ended if end.status)
    assert loser.status == 2
    assert len(loser.stderr.splitlines()) == 1, loser.stderr
    seed = read_json(folder / "config.json")["campaign"]["seed"]
    assert seed == (5, 6)[winners[0]]
    assert outcome(folder) == outcome(truths[seed])
    assert verify(folder) == []


@pytest.fixture
def truths(whole: Path, others: dict[str, Path]) -> dict[int, Path]:
    return {5: whole, 6: others["whole"]}


@posix
@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_slow_starter_adopts_nothing(
    truths: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: list[str]
) -> None:
    """The second has found the folder empty, and the first is done before it goes on."""
    folder = tmp_path / "run"
    check = RunFolder.check.__func__  # type: ignore[attr-defined]
    looks = []

    def slow_check(cls: Any, path: Any, config: Any, *, resume: bool) -> None:
        check(cls, path, config, resume=resume)
        looks.append(path)
        if len(looks) == 1:  # a first campaign runs between the look and the lock
            work(folder, seed=5, resume=False)

    monkeypatch.setattr(RunFolder, "check", classmethod(slow_check))
    with pytest.raises(RunFolderError, match="seed is 5 there and 6 here"):
        running.run_campaign(campaign(6), folder, resume=bool(resume))
    assert promised_bytes(folder) == promised_bytes(truths[5])
    looks.clear()
    shutil.rmtree(folder)
    with pytest.raises(RunFolderError, match="holds this run already"):
        running.run_campaign(campaign(5), folder)
    assert promised_bytes(folder) == promised_bytes(truths[5])


@posix
@pytest.mark.parametrize("pairs", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_of_two_campaigns_in_one_folder_one_wins(
    truths: dict[int, Path], tmp_path: Path, pairs: int
) -> None:
    choose = random.Random(pairs)
    for number in range(pairs):
        folder = tmp_path / f"run-{number}"
        ended = race(
            simulate(folder, 5),
            simulate(folder, 6, *choose.choice([[], ["--resume"]])),
            folder=tmp_path / "output",
            delays=(choose.uniform(0, 0.02), choose.uniform(0, 0.02)),
        )
        assert_one_won(ended, folder, truths)


# Damage


@pytest.mark.parametrize("state", ["half", "whole"])
@pytest.mark.parametrize("mutations", [8, pytest.param(500, marks=pytest.mark.slow)])
def test_damage_is_repaired_or_refused(
    state: str,
    mutations: int,
    half: Path,
    whole: Path,
    others: dict[str, Path],
    tmp_path: Path,
) -> None:
    source, truth = {"half": half, "whole": whole}[state], outcome(whole)
    choose = random.Random(mutations)
    for number in range(mutations):
        folder = tmp_path / str(number) / "run"
        shutil.copytree(source, folder)
        what = mutate(folder, choose, donor=others[state])
        assert_right_labels(folder, truth, what)
        if refusal(lambda folder=folder: quietly(folder)) is None:
            assert RunFolder.open(folder).is_complete, what
            assert outcome(folder) == truth, what
            assert all("is not in the manifest" in line for line in verify(folder)), what
        shutil.rmtree(tmp_path / str(number))


def assert_right_labels(folder: Path, truth: dict[str, bytes], what: str) -> None:
    """What readers take from the damaged folder is right, or they refuse it."""

    def read() -> None:
        for item in RunFolder.open(folder).labels():
            assert item.snbs.tobytes() == truth[f"{item.grid_id:05d}.h5/snbs"], what

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refusal(read)


def refusal(act: Callable[[], object]) -> str | None:
    """The one line in which something was refused, or None where it was not."""
    try:
        act()
    except REFUSED as error:
        message = str(error)
    else:
        return None
    assert len(message.splitlines()) == 1
    return message


def test_a_part_under_the_name_of_another_is_found(torn: Path, whole: Path) -> None:
    part = parts(torn)[0]
    name = part.name.replace("nodes-0-1", "nodes-2-3")
    part.rename(part.with_name(name))
    assert any("its unit is 'grid-00002-nodes-0-1" in line for line in verify(torn))
    with pytest.warns(RecomputedWarning, match=name):
        work(torn)
    assert outcome(torn) == outcome(whole)


def test_a_part_of_another_seed_is_found(torn: Path, whole: Path, others: dict[str, Path]) -> None:
    shutil.copyfile(parts(others["half"])[0], parts(torn)[0])
    assert any("its configuration is" in line for line in verify(torn))
    with pytest.warns(RecomputedWarning, match="its configuration is"):
        work(torn)
    assert outcome(torn) == outcome(whole)


def test_a_grid_of_another_seed_is_found(torn: Path, whole: Path, others: dict[str, Path]) -> None:
    shutil.copyfile(others["whole"] / "grids" / "00001.h5", torn / "grids" / "00001.h5")
    assert any("00001.h5': it has changed" in line for line in verify(torn))
    with pytest.warns(RecomputedWarning, match=r"00001.h5': it has changed"):
        work(torn)
    assert outcome(torn) == outcome(whole)


def test_a_grid_that_nobody_sealed_is_found(
    torn: Path, whole: Path, others: dict[str, Path]
) -> None:
    shutil.copyfile(others["whole"] / "grids" / "00002.h5", torn / "grids" / "00002.h5")
    with pytest.warns(RecomputedWarning, match=r"00002.h5': it has no seal"):
        work(torn)
    assert outcome(torn) == outcome(whole)


def test_an_edited_seed_makes_nothing_of_the_old_one_new(
    torn: Path, done: Path, others: dict[str, Path]
) -> None:
    for folder in (torn, done):
        config = read_json(folder / "config.json")
        config["campaign"]["seed"] = 6
        write_json(folder / "config.json", config)
        assert any("config.json" in line or "of another run" in line for line in verify(folder))
    with pytest.warns(RecomputedWarning, match="of another run"):
        work(torn, seed=6)
    assert promised_bytes(torn) == promised_bytes(others["whole"])
    with pytest.raises(RunFolderError, match="mixes two runs or is damaged"):
        work(done, seed=6)


def test_bits_of_a_part_are_found_or_change_no_number(torn: Path, whole: Path) -> None:
    part, choose = parts(torn)[0], random.Random(1)
    data, counts, found = part.read_bytes(), arrays_of(part), 0
    for _ in range(60):
        part.write_bytes(flip(data, choose))
        if stored_work(RunFolder.open(torn)).problems:
            found += 1
        else:  # the bit lies between the numbers, where HDF5 stores nothing
            assert arrays_of(part) == counts
    assert found > 10
    part.write_bytes(data.replace(b"seal", b"sela"))
    with pytest.warns(RecomputedWarning, match="parts"):
        work(torn)
    assert outcome(torn) == outcome(whole)


def test_an_unfinished_run_of_an_earlier_version_is_read_but_not_built_upon(
    torn: Path, whole: Path
) -> None:
    shutil.rmtree(torn / "seals")
    assert [item.grid_id for item in RunFolder.open(torn).labels()] == [1]
    with pytest.warns(RecomputedWarning, match="no seal"):
        run = work(torn)
    assert run.trajectories == GRIDS * 80 - 40  # the part of the second grid was good
    assert outcome(torn) == outcome(whole)


# Complete runs


@pytest.mark.parametrize("damage", ["lost", "flipped", "empty manifest", "manifest", "no manifest"])
def test_a_complete_run_is_looked_at_and_repaired(done: Path, whole: Path, damage: str) -> None:
    grid, manifest = done / "grids" / "00002.h5", done / "manifest.json"
    if damage == "lost":
        grid.unlink()
    elif damage == "flipped":
        grid.write_bytes(flip(grid.read_bytes(), random.Random(1)))
    elif damage == "manifest":
        manifest.write_bytes(manifest.read_bytes().replace(b'"sha256"', b'"sha265"', 1))
    else:
        manifest.write_bytes(b"")
    if damage == "no manifest":
        manifest.unlink()
    else:
        assert refusal(lambda: list(RunFolder.open(done).labels())) is not None
    with pytest.warns(RecomputedWarning):
        run = work(done)
    lost = 160 if "manifest" in damage else 80
    assert run.trajectories == lost
    assert promised_bytes(done) == promised_bytes(whole)
    assert verify(done) == []
    assert work(done).trajectories == 0


def test_a_damaged_manifest_still_vouches_for_what_equals_it(done: Path, whole: Path) -> None:
    text = (done / "manifest.json").read_text()
    (done / "manifest.json").write_text(text.replace('"size": ', '"size":  ', 1))
    with pytest.warns(RecomputedWarning, match="its checksum or its form is wrong"):
        assert work(done).trajectories == 0
    assert promised_bytes(done) == promised_bytes(whole)


def test_what_is_left_of_the_last_steps_goes(done: Path, half: Path) -> None:
    shutil.copytree(half / "parts", done / "parts")
    shutil.copytree(half / "seals", done / "seals")
    assert work(done).trajectories == 0
    assert verify(done) == []


# Names and links


@pytest.mark.parametrize("name", ["00001 (copy).h5", "00001_1.h5", "0.h5", "00003.h5", "٠٠٠٠١.h5"])
@pytest.mark.parametrize("state", ["half", "whole"])
def test_strays_are_reported_and_ignored(
    torn: Path, done: Path, whole: Path, tmp_path: Path, name: str, state: str
) -> None:
    folder = {"half": torn, "whole": done}[state]
    shutil.copyfile(folder / "grids" / "00001.h5", folder / "grids" / name)
    assert any(f"grids/{name}" in line for line in verify(folder))
    with pytest.warns(UserWarning, match="no grid of it"):
        ids = RunFolder.open(folder).grid_ids
    assert ids == [1, 2][: len(ids)]
    if state == "half":
        with pytest.warns(RecomputedWarning, match="is no grid of this run"):
            work(folder)
        assert f"grids/{name}" not in RunFolder.open(folder).manifest.entries
    with pytest.warns(UserWarning, match="no grid of it"):
        export_run(folder, tmp_path / "export")
    assert any(f"grids/{name}" in line for line in verify(folder))


@posix
@pytest.mark.parametrize("name", ["config.json", "manifest.json", "grids", "grids/00001.h5"])
def test_links_in_a_run_are_not_followed(done: Path, tmp_path: Path, name: str) -> None:
    (done / name).rename(tmp_path / "elsewhere")
    (done / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(REFUSED, match="symbolic link"):
        list(RunFolder.open(done).labels())
    if name == "grids/00001.h5":
        assert any("00001.h5" in line for line in verify(done))
        return
    for look in (verify, work):
        with pytest.raises(REFUSED, match="symbolic link"):
            look(done)


@posix
@pytest.mark.parametrize("name", ["grids", ".lock", "parts", "seals"])
def test_links_are_refused_before_anything_is_simulated(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(REFUSED):
        work(tmp_path / "run")
    assert not (tmp_path / "elsewhere").exists()
    assert [file.name for file in (tmp_path / "run").iterdir()] == [name]


def test_a_linked_run_folder_is_the_users_choice(done: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(done)
    assert verify(tmp_path / "alias") == []
    assert work(tmp_path / "alias").trajectories == 0
