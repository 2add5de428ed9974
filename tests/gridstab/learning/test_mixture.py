"""Several sets as one: every grid once, in its own split, evenly mixed."""

import functools
from pathlib import Path

import pytest
import torch

from gridstab.datasets import Campaign, run_campaign
from gridstab.datasets.packed import pack
from gridstab.errors import DatasetError
from gridstab.learning import GridDataset, load_grid_dataset, train_model
from gridstab.learning.splits import SPLITS

load = functools.partial(load_grid_dataset, cache=False)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sets")
    for nodes, grids in ((6, 10), (8, 20)):
        campaign = Campaign.resolve(nodes=nodes, grids=grids, samples=10, seed=nodes)
        run_campaign(campaign, folder / f"of_{nodes}", workers=1)
    return [str(folder / "of_6"), str(folder / "of_8")]


def labels(graphs: GridDataset) -> list[tuple[float, ...]]:
    return sorted(tuple(graph.y.tolist()) for graph in graphs)


def test_every_grid_stays_in_its_split(places: list[str]) -> None:
    mixed = load(",".join(places))
    assert mixed.name == "of_6 and of_8"
    assert mixed.grid_ids == list(range(1, 31))
    for split in SPLITS:
        own = [label for place in places for label in labels(load(place, split=split))]
        assert labels(mixed.split(split)) == sorted(own)


def test_the_first_grids_are_of_all_sets(places: list[str]) -> None:
    train = load(",".join(places), split="train")
    sizes = [len(graph.y) for graph in train[:9]]
    assert (sizes.count(6), sizes.count(8)) == (3, 6)


def test_features_and_counts_are_those_of_the_sets(places: list[str]) -> None:
    mixed, own = load(",".join(places), features="local"), load(places[1], features="local")
    found = [graph for graph in mixed if len(graph.y) == 8]
    for graph, expected in zip(found, own, strict=True):
        for key in ("x", "edge_index", "edge_attr", "y", "n_samples", "n_stable"):
            assert torch.equal(graph[key], expected[key]), key


def test_the_cache_knows_the_content(places: list[str], tmp_path: Path) -> None:
    together = ",".join(places)
    first = load_grid_dataset(together, cache=tmp_path)
    again = load_grid_dataset(together, cache=tmp_path)
    assert first.store.content_hash == again.store.content_hash
    assert first.splits == again.splits


def test_a_model_learns_from_both(places: list[str], tmp_path: Path) -> None:
    trained = train_model("default", ",".join(places), tmp_path / "model", epochs=1)
    assert trained.config.data.grids == {"train": 21, "valid": 4, "test": 5}


@pytest.mark.parametrize("given", ["{0},", "{0},,{1}", ",{1}", "{0},{0}"])
def test_sets_without_a_name_and_sets_given_twice_are_refused(
    places: list[str], given: str
) -> None:
    with pytest.raises(DatasetError, match="names a set twice or none"):
        load(given.format(*places))


def test_a_set_under_two_spellings_is_given_twice(places: list[str]) -> None:
    first, again = places[0], f"{Path(places[0]).parent}/./of_6"
    with pytest.raises(DatasetError, match="hold the same set") as caught:
        load(f"{first},{places[1]},{again}")
    assert repr(first) in str(caught.value)
    assert repr(again) in str(caught.value)


@pytest.mark.parametrize("first", ["{run}", "{folder}/one.h5"])
def test_copies_of_a_set_are_the_same_set(places: list[str], tmp_path: Path, first: str) -> None:
    """Under another name, or packed into one file: what was learnt from would be tested on."""
    for name in ("one.h5", "two.h5"):
        pack(places[0], tmp_path / name)
    first = first.format(run=places[0], folder=tmp_path)
    with pytest.raises(DatasetError, match=r"'(of_6|one)' and 'two' hold the same grids"):
        load(f"{first},{places[1]},{tmp_path / 'two.h5'}")


def test_a_part_of_a_set_is_not_the_same_set(places: list[str], tmp_path: Path) -> None:
    """Of a set and its continuation, only grids that change their split are told."""
    campaign = Campaign.resolve(nodes=6, grids=20, samples=10, seed=6)
    run_campaign(campaign, tmp_path / "longer", workers=1)
    message = r"'of_6' and 'longer' have 3 grids .* in another split"
    with pytest.warns(UserWarning, match=message):
        assert len(load(f"{places[0]},{tmp_path / 'longer'}")) == 30


def test_a_place_that_is_there_is_not_cut(places: list[str], tmp_path: Path) -> None:
    named = tmp_path / "one,two"
    Path(places[0]).rename(named)
    try:
        assert len(load(str(named))) == 10
    finally:
        named.rename(places[0])
