"""Zoos under attack: kills, two trainings in one folder, damage; what counts is the outcome."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gnncore.storage import (
    LOCK_NAME,
    Manifest,
    StorageError,
    is_leftover,
    load_metadata,
    load_tensors,
    save_tensors,
)
from graphwsl.cli import app
from graphwsl.errors import GraphwslError
from graphwsl.zoo import Recipe, open_zoo, train_zoo
from graphwsl.zoo.layouts.native import ZooFolder
from tests.attacks.kills import every_kill, killed_at
from tests.attacks.mutations import flip, mutate
from tests.attacks.pairs import Ended, race

VALUES = {
    "data": {"name": "digits"},
    "epochs": 1,
    "batch_size": 512,
    "fixed": {"architecture": "mlp", "width": 3, "depth": 1, "learning_rate": 0.01, "seed": 1},
    "grid": {"activation": ("relu", "tanh", "gelu")},
}
RECIPE = Recipe.of(VALUES)
OTHER = Recipe.of({**VALUES, "fixed": {**VALUES["fixed"], "seed": 2}})  # type: ignore[dict-item]
SWEEP = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Forked processes cannot use threads of torch that were started before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def zoos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A zoo, and the same with another seed."""
    folder = tmp_path_factory.mktemp("zoos")
    for name, recipe in (("one", RECIPE), ("other", OTHER)):
        train_zoo(recipe, folder / name)
    return {name: folder / name for name in ("one", "other")}


def contents(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def unfinished(zoo: Path, path: Path) -> Path:
    """The zoo as it was before its last chunk was there."""
    copy = Path(shutil.copytree(zoo, path))
    for name in ("manifest.json", "index.jsonl", "chunks/00002.safetensors"):
        (copy / name).unlink()
    return copy


def resumed(path: Path, recipe: Recipe = RECIPE) -> list[str]:
    """What resuming repairs; it must end as if nothing had happened."""
    return train_zoo(recipe, path, resume=True).repaired


def weights(path: Path) -> list[tuple[object, dict[str, Tensor]]]:
    zoo = open_zoo(path)
    return [(c, zoo.weights(c)) for c in zoo.checkpoints]


def assert_same(ours: list[tuple[object, dict[str, Tensor]]], path: Path) -> None:
    theirs = weights(path)
    assert [c for c, _ in ours] == [c for c, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def train(recipe: str, *options: str) -> Callable[[], object]:
    return lambda: app(["zoo", "train", recipe, "--out", "zoo", "--workers", "1", *options])


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two files of recipes that differ in their seed, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        text = "epochs = 1\nbatch_size = 512\n[data]\nname = 'digits'\n[fixed]\n"
        text += f"architecture = 'mlp'\nwidth = 3\nlearning_rate = 0.01\nseed = {seed}\n"
        Path(f"{seed}.toml").write_text(text, encoding="utf-8")
    return "1.toml", "2.toml"


@pytest.mark.parametrize("stride", [29, pytest.param(1, marks=SWEEP)])
def test_kills_at_steps_of_the_file_system_cost_no_byte(
    zoos: dict[str, Path], tmp_path: Path, stride: int
) -> None:
    path, kills = tmp_path / "zoo", 0
    for _ in every_kill(path, lambda: train_zoo(RECIPE, path), stride=stride):
        kills += 1
        there = set((path / "chunks").glob("[0-9]*")) if path.exists() else set()
        assert resumed(path) == []
        assert contents(path) == contents(zoos["one"])
        assert there <= set((path / "chunks").glob("[0-9]*"))
        shutil.rmtree(path)
    assert kills >= 40 // stride


@pytest.mark.parametrize("stride", [23, pytest.param(1, marks=SWEEP)])
def test_a_repair_that_is_killed_is_no_worse(
    zoos: dict[str, Path], tmp_path: Path, stride: int
) -> None:
    step, killed = 1, True
    while killed:
        path = Path(shutil.copytree(zoos["one"], tmp_path / "zoo"))
        (path / "chunks" / "00001.safetensors").unlink()
        killed = killed_at(step, path, lambda: resumed(tmp_path / "zoo"))
        if killed:
            resumed(path)
        assert contents(path) == contents(zoos["one"])
        shutil.rmtree(path)
        step += stride


def assert_one_won(ended: list[Ended], recipes: tuple[str, ...], resume: bool) -> None:
    assert sorted(end.status for end in ended) == [0, 2]
    (winner,) = (number for number, end in enumerate(ended) if end.status == 0)
    (loser,) = (end for end in ended if end.status == 2)
    assert loser.stderr.count("\n") == 1
    assert loser.stderr.startswith("graphwsl: ")
    assert not Path("zoo", "zoo.json").is_symlink()
    assert ZooFolder(Path("zoo")).problems() == []
    (seed,) = {c.configuration["seed"] for c in open_zoo("zoo").checkpoints}
    assert recipes[winner] == f"{seed}.toml"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("delays", [(0.0, 0.0), (0.2, 0.0), pytest.param(None, marks=SWEEP)])
def test_of_two_recipes_in_one_folder_one_wins(
    recipes: tuple[str, str], delays: tuple[float, float] | None, resume: bool
) -> None:
    choose = random.Random(0)
    drawn = [(0.0, choose.uniform(0, 0.6)) for _ in range(60)]
    for pair in drawn if delays is None else [delays]:
        options = ["--quiet", *(["--resume"] if resume else [])]
        works = [train(recipe, *options) for recipe in recipes]
        assert_one_won(race(*works, folder=Path("output"), delays=pair), recipes, resume)
        shutil.rmtree("zoo")


def test_the_same_recipe_twice_is_trained_once(recipes: tuple[str, str]) -> None:
    works = [train(recipes[0], "--quiet") for _ in range(2)]
    assert_one_won(race(*works, folder=Path("output")), ("1.toml", "1.toml"), False)


def refusal(work: Callable[[], object]) -> str | None:
    """What is said where work is refused, as a user of the program would see it."""
    try:
        work()
    except (GraphwslError, StorageError) as error:
        return str(error)
    return None


def act(path: Path, choose: random.Random, zoos: dict[str, Path]) -> None:
    """Mutate a folder; resuming ends in the right bytes, or refuses in one line."""
    whole = contents(zoos["one"])
    done = mutate(path, choose, donor=zoos["other"])
    if contents(path) != whole:
        found: list[str] = []
        refused = refusal(lambda: found.extend(ZooFolder(path).problems()))
        assert refused or found, f"not found: {done}"
    refused = refusal(lambda: resumed(path))
    if refused is None:
        assert contents(path) == whole, done
        assert ZooFolder(path).problems() == [], done
    else:
        assert "\n" not in refused, done


@pytest.mark.parametrize("count", [10, pytest.param(1000, marks=SWEEP)])
@pytest.mark.parametrize("finished", [True, False])
def test_damage_is_mended_or_refused(
    zoos: dict[str, Path], tmp_path: Path, count: int, finished: bool
) -> None:
    choose = random.Random(count)
    for _ in range(count):
        path = tmp_path / "zoo"
        if finished:
            shutil.copytree(zoos["one"], path)
        else:
            unfinished(zoos["one"], path)
        act(path, choose, zoos)
        for left in (path, path.with_name("zoo-elsewhere")):
            shutil.rmtree(left, ignore_errors=True)


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=SWEEP)])
@pytest.mark.parametrize("finished", [True, False])
def test_no_single_bit_changes_weights_in_silence(
    zoos: dict[str, Path], tmp_path: Path, count: int, finished: bool
) -> None:
    path, choose = tmp_path / "zoo", random.Random(count)
    if finished:
        shutil.copytree(zoos["one"], path)
    else:
        unfinished(zoos["one"], path)
    right = weights(path)
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.name != ".lock")
    for _ in range(count):
        file = choose.choice(files)
        data = file.read_bytes()
        file.write_bytes(flip(data, choose))
        refused = refusal(lambda: assert_same(right, path))
        assert refused is None or "\n" not in refused
        file.write_bytes(data)


def test_a_bit_in_a_chunk_names_the_chunk(zoos: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copytree(zoos["one"], tmp_path / "zoo"))
    chunk = path / "chunks" / "00001.safetensors"
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    zoo = open_zoo(path)
    of_chunk = [c for c in zoo.checkpoints if c.configuration["activation"] == "tanh"]
    with pytest.raises(StorageError, match=r"00001\.safetensors.*SHA-256"):
        zoo.weights(of_chunk[-1])
    zoo.weights(of_chunk[0])
    zoo.weights(zoo.checkpoints[0])


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("kind", ["swapped", "of another seed"])
def test_chunks_under_the_wrong_name_are_trained_again(
    zoos: dict[str, Path], tmp_path: Path, kind: str, finished: bool
) -> None:
    path = tmp_path / "zoo"
    shutil.copytree(zoos["one"], path)
    if not finished:
        (path / "manifest.json").unlink()
    first, second = (path / "chunks" / f"{number:05d}.safetensors" for number in (0, 1))
    if kind == "swapped":
        data = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(data)
    else:
        shutil.copyfile(zoos["other"] / "chunks" / first.name, first)
    assert [first.name in problem for problem in ZooFolder(path).problems()].count(True) == 1
    repaired = resumed(path)
    assert first.name in repaired[0]
    assert contents(path) == contents(zoos["one"])


def test_a_recipe_that_was_edited_gets_its_own_networks(
    zoos: dict[str, Path], tmp_path: Path
) -> None:
    path = unfinished(zoos["one"], tmp_path / "zoo")
    config = path / "zoo.json"
    config.write_text(config.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(GraphwslError, match="holds another zoo: fixed: seed is"):
        resumed(path)
    assert len(ZooFolder(path).problems()) == 3
    assert len(resumed(path, OTHER)) == 2
    assert contents(path) == contents(zoos["other"])


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("chunks/00001.safetensors", "chunks/00001.safetensors is missing"),
        ("index.jsonl", "index.jsonl is missing"),
    ],
)
def test_what_a_complete_zoo_has_lost_is_made_again(
    zoos: dict[str, Path], tmp_path: Path, lost: str, said: str
) -> None:
    path = Path(shutil.copytree(zoos["one"], tmp_path / "zoo"))
    (path / lost).unlink()
    trained = train_zoo(RECIPE, path, resume=True)
    assert trained.repaired == [said]
    assert trained.epochs == (1 if "chunks" in lost else 0)
    assert contents(path) == contents(zoos["one"])


@pytest.mark.parametrize("text", ["", "{}", '{"files": {}}'])
def test_an_empty_manifest_is_written_again(
    zoos: dict[str, Path], tmp_path: Path, text: str
) -> None:
    path = Path(shutil.copytree(zoos["one"], tmp_path / "zoo"))
    (path / "manifest.json").write_text(text)
    with pytest.raises(StorageError, match=r"manifest\.json"):
        open_zoo(path)
    trained = train_zoo(RECIPE, path, resume=True)
    assert (trained.epochs, len(trained.repaired)) == (0, 1)
    assert contents(path) == contents(zoos["one"])


@pytest.mark.parametrize("name", ["chunks/00001 (copy).safetensors", "chunks/00003.safetensors"])
def test_strange_chunks_are_no_part_of_the_zoo(
    zoos: dict[str, Path], tmp_path: Path, name: str
) -> None:
    path = unfinished(zoos["one"], tmp_path / "zoo")
    shutil.copyfile(path / "chunks" / "00000.safetensors", path / name)
    with pytest.raises(GraphwslError, match="does not belong to the zoo; move it elsewhere"):
        resumed(path)
    assert len(ZooFolder(path).problems()) == 2
    (path / name).unlink()
    assert resumed(path) == []


def test_zoos_from_before_there_were_seals_are_read(zoos: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copytree(zoos["one"], tmp_path / "zoo"))
    for chunk in (path / "chunks").iterdir():
        rows = load_metadata(chunk)["rows"]
        save_tensors(chunk, load_tensors(chunk), {"rows": rows})
    Manifest.of(path, (LOCK_NAME,)).write()
    assert ZooFolder(path).problems() == []
    assert_same(weights(zoos["one"]), path)
    trained = train_zoo(RECIPE, path, resume=True)
    assert (trained.epochs, trained.repaired) == (0, [])
    (path / "chunks" / "00001.safetensors").unlink()
    assert train_zoo(RECIPE, path, resume=True).epochs == 1
    assert ZooFolder(path).problems() == []
    assert_same(weights(zoos["one"]), path)
    (path / "manifest.json").unlink()
    assert train_zoo(RECIPE, path, resume=True).epochs == 2
    assert contents(path) == contents(zoos["one"])


def test_no_temporary_file_is_left(zoos: dict[str, Path], tmp_path: Path) -> None:
    path = unfinished(zoos["one"], tmp_path / "zoo")
    for folder in (path, path / "chunks"):
        (folder / ".zoo.0123456789abcdef.part.json").touch()
        assert is_leftover(".zoo.0123456789abcdef.part.json")
    assert resumed(path) == []
    assert contents(path) == contents(zoos["one"])
