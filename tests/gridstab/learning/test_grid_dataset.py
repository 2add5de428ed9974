"""Every source gives the same graphs; what is wrong with a source is said in one line."""

import functools
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from gnncore.storage import StorageError
from gridstab.datasets import Campaign, RunFolder, export_run, import_labels, run_campaign
from gridstab.datasets.benchmark import pack
from gridstab.errors import (
    DatasetError,
    GridstabError,
    InvalidParameterError,
    RunFolderError,
    UnfinishedWarning,
)
from gridstab.features.feature import NODE_FEATURES
from gridstab.learning import (
    FeatureSet,
    GridDataset,
    flip_signs,
    load_grid_dataset,
    mirrored,
    node_feature,
)
from gridstab.learning import data as data_module

GRIDS, SAMPLES = 10, 10
load = functools.partial(load_grid_dataset, cache=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    campaign = Campaign.resolve(nodes=6, grids=GRIDS, samples=SAMPLES, seed=5)
    return run_campaign(campaign, tmp_path_factory.mktemp("learning") / "run").folder


@pytest.fixture
def dataset(run: RunFolder) -> GridDataset:
    return load(run.path)


def assert_same_graphs(one: GridDataset, other: GridDataset) -> None:
    assert one.store.tensors.keys() == other.store.tensors.keys()
    for key, tensor in one.store.tensors.items():
        assert torch.equal(tensor, other.store.tensors[key]), key


def test_a_graph_is_its_grid(dataset: GridDataset, run: RunFolder) -> None:
    assert len(dataset) == GRIDS
    for data, grid_id in zip(dataset, range(1, GRIDS + 1), strict=True):
        result = run.result(grid_id)
        assert int(data.grid_id) == grid_id
        assert data.x.dtype == data.edge_attr.dtype == data.y.dtype == torch.float32
        np.testing.assert_array_equal(data.x[:, 0], result.grid.power)
        np.testing.assert_array_equal(data.edge_index, result.grid.edge_index)
        np.testing.assert_array_equal(data.edge_attr[:, 0], result.grid.edge_attr)
        np.testing.assert_array_equal(data.y, result.snbs.astype(np.float32))
        np.testing.assert_array_equal(data.n_samples, result.n_samples)
        np.testing.assert_array_equal(data.n_stable, result.n_stable)
        assert data.validate()
        assert not data.is_directed()
        assert dataset.power_grid(grid_id - 1) == result.grid
    assert (dataset.num_node_features, dataset.num_edge_features) == (1, 1)
    batch = next(iter(DataLoader(dataset, batch_size=GRIDS)))  # type: ignore[arg-type]
    assert torch.equal(batch.x, dataset.store.tensors["x"])


@pytest.mark.parametrize("layout", ["v0", "v1", "v2"])
def test_published_archives_are_read_in_place(
    run: RunFolder, dataset: GridDataset, tmp_path: Path, layout: str
) -> None:
    archive = export_run(run.path, tmp_path / "downloads", layout)
    found = load(archive, samples=SAMPLES)
    assert_same_graphs(found, dataset)
    assert found.splits == dataset.splits
    assert found.name == ("downloads" if layout < "v2" else "ds6")


def test_other_sources_hold_the_same(run: RunFolder, dataset: GridDataset, tmp_path: Path) -> None:
    assert_same_graphs(load(pack(run.path, tmp_path / "packed.h5")), dataset)
    export_run(run.path, tmp_path / "v2", "v2")
    imported = import_labels(tmp_path / "v2", tmp_path / "imported", samples=SAMPLES)
    assert_same_graphs(load(imported.path), dataset)


def test_packaged_sets_have_names(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pack(run.path, tmp_path / "ds20.h5")
    monkeypatch.setattr("gridstab.datasets.sources.benchmark_path", lambda name: file)
    assert load("ds20").name == "ds20"


@pytest.mark.parametrize(
    "target", ["snbs", "survivability", "max_frequency_deviation", "troublemaker"]
)
def test_targets(run: RunFolder, dataset: GridDataset, target: str) -> None:
    found = load(run.path, target=target)
    for data, grid_id in zip(found, range(1, GRIDS + 1), strict=True):
        expected = getattr(run.result(grid_id), target)
        np.testing.assert_array_equal(data.y, expected.astype(np.float32))
    if target == "survivability":
        counts = found.store.tensors
        assert torch.equal((counts["n_survived"] / counts["n_samples"]).float(), counts["y"])
    assert_same_graphs(dataset.with_target(target), found)


def test_splits_go_by_number(run: RunFolder, dataset: GridDataset) -> None:
    parts = {split: load(run.path, split=split) for split in dataset.splits}
    assert [len(part) for part in parts.values()] == [7, 1, 2]
    assert parts["test"].grid_ids == [9, 10]
    positions = dataset.get_idx_split()
    for split, part in parts.items():
        assert_same_graphs(dataset[positions[split]], part)
    drawn = load(run.path, split="train", split_seed=3)
    assert len(drawn) == 7
    assert drawn.grid_ids != parts["train"].grid_ids


def test_folders_decide_over_numbers(run: RunFolder, tmp_path: Path) -> None:
    archive = export_run(run.path, tmp_path / "v2", "v2")
    shutil.rmtree(archive / "ds6" / "train")
    shutil.rmtree(archive / "ds6" / "test")
    rest = load(archive, samples=SAMPLES)
    assert rest.splits == {"train": [], "valid": [8], "test": []}
    with pytest.raises(DatasetError, match="no grid of 'ds6' is in split 'test'"):
        rest.split("test")


def test_a_single_grid_is_a_test(tmp_path: Path) -> None:
    campaign = Campaign.resolve(nodes=6, grids=1, samples=5)
    single = run_campaign(campaign, tmp_path / "run").folder.path
    assert_same_graphs(load(single, split="test"), load(single))
    with pytest.raises(DatasetError, match="no grid of 'run' is in split 'train'"):
        load(single, split="train")


def test_an_unfinished_run_keeps_its_splits(run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "part")
    (tmp_path / "part" / "manifest.json").unlink()
    for grid_id in range(5, GRIDS + 1):
        (tmp_path / "part" / "grids" / f"{grid_id:05d}.h5").unlink()
    with pytest.warns(UnfinishedWarning, match="4 of 10 grids have labels"):
        assert load(tmp_path / "part", split="train").grid_ids == list(range(1, 5))
    with (
        pytest.warns(UnfinishedWarning),
        pytest.raises(DatasetError, match="split 'valid'"),
    ):
        load(tmp_path / "part", split="valid")


def test_indexing(dataset: GridDataset) -> None:
    assert dataset[:3].grid_ids == [1, 2, 3]
    assert dataset[[4, -1, 4]].grid_ids == [5, 10, 5]
    mask = torch.zeros(GRIDS, dtype=torch.bool)
    mask[7] = True
    assert dataset[mask].grid_ids == [8]
    assert torch.equal(dataset[-1].y, dataset[GRIDS - 1].y)
    assert dataset[[2]].power_grid(0) == dataset.power_grid(2)
    for index in (GRIDS, [GRIDS], [-GRIDS - 1], torch.ones(3, dtype=torch.bool)):
        with pytest.raises(IndexError):
            dataset[index]  # type: ignore[index]


def test_features_and_no_edge_features(run: RunFolder, dataset: GridDataset) -> None:
    bare = load(run.path, features=FeatureSet(node=("degree",), edge=()))
    assert "edge_attr" not in bare[0]
    assert_same_graphs(dataset.with_features(bare.features), bare)
    assert load(run.path, features="operating_point")[0].x.shape == (6, 10)


# --- the cache ---------------------------------------------------------------------------------


def test_the_cache_gives_the_same(run: RunFolder, tmp_path: Path) -> None:
    first = load_grid_dataset(run.path, features="operating_point", cache=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_module, "_features", lambda *_: pytest.fail("computed again"))
        second = load_grid_dataset(run.path, features="operating_point", cache=tmp_path)
        other = load_grid_dataset(
            run.path, features="operating_point", target="troublemaker", cache=tmp_path
        )
    assert_same_graphs(first, second)
    assert first.splits == second.splits
    assert_same_graphs(first.with_target("troublemaker"), other)


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    if how == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        file.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        file.unlink()


@pytest.mark.parametrize("name", ["tensors.safetensors", "manifest.json"])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_a_damaged_cache_is_rebuilt(run: RunFolder, tmp_path: Path, name: str, how: str) -> None:
    first = load_grid_dataset(run.path, cache=tmp_path)
    (file,) = tmp_path.glob(f"*/{name}")
    good = file.read_bytes()
    damage(file, how)
    assert_same_graphs(load_grid_dataset(run.path, cache=tmp_path), first)
    assert file.read_bytes() == good


def test_the_cache_follows_its_source_and_its_features(run: RunFolder, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    archive = export_run(run.path, tmp_path / "v0", "v0")
    load_grid_dataset(archive, cache=cache)
    with h5py.File(archive / "snbs_00003.h5", "r+") as file:
        file["snbs"][0] = 0.125
    assert load_grid_dataset(archive, cache=cache)[2].y[0] == 0.125
    load_grid_dataset(archive, cache=cache, coupling=8.0)
    load_grid_dataset(archive, features=FeatureSet(node=("degree",)), cache=cache)
    assert len(list(cache.iterdir())) == 4


def test_features_without_source_code_are_not_cached(run: RunFolder, tmp_path: Path) -> None:
    names = {"node_feature": node_feature}
    exec("@node_feature()\ndef typed_in(grid): return grid.degree", names)
    try:
        load_grid_dataset(run.path, features=FeatureSet(node=("typed_in",)), cache=tmp_path)
    finally:
        del NODE_FEATURES["typed_in"]
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(load_grid_dataset(run.path, cache=tmp_path / "file")) == GRIDS


# --- the mirror --------------------------------------------------------------------------------


def test_mirrored_features_are_those_of_the_mirrored_grids(run: RunFolder) -> None:
    dataset = load(run.path, features="solitary")
    image = mirrored(dataset)
    again = image.with_features(dataset.features)
    for key, tensor in image.store.tensors.items():
        torch.testing.assert_close(tensor, again.store.tensors[key], rtol=1e-5, atol=1e-6)
    assert torch.equal(image.store.tensors["y"], dataset.store.tensors["y"])
    assert image.power_grid(0) != dataset.power_grid(0)
    assert_same_graphs(mirrored(image), dataset)


def test_half_of_the_graphs_are_flipped(run: RunFolder) -> None:
    dataset = load(run.path, features="operating_point")
    batch, image = dataset.store.whole(), mirrored(dataset).store.whole()
    flip = functools.partial(flip_signs, features=dataset.features)
    before, generator, flips = batch.x.clone(), torch.Generator().manual_seed(0), []
    for _ in range(50):
        result = flip(batch, generator)
        assert torch.equal(result.y, batch.y)
        for graph in range(GRIDS):
            nodes, edges = batch.batch == graph, batch.batch[batch.edge_index[0]] == graph
            flipped = not torch.equal(result.x[nodes], batch.x[nodes])
            expected = image if flipped else batch
            assert torch.equal(result.x[nodes], expected.x[nodes])
            assert torch.equal(result.edge_attr[edges], expected.edge_attr[edges])
            flips.append(flipped)
    assert 0.45 < np.mean(flips) < 0.55
    assert torch.equal(batch.x, before)
    single = flip(dataset[0], torch.Generator().manual_seed(0))
    assert torch.equal(single.x.abs(), dataset[0].x.abs())


# --- what is wrong with a source ---------------------------------------------------------------


def test_what_is_no_source(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ds20.zip").write_bytes(b"PK")
    for name, words in {
        "nowhere": "is no folder; give a run folder",
        "empty": "holds no labelled grids",
        "ds20.zip": "unpack it",
    }.items():
        with pytest.raises(DatasetError, match=words) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidParameterError, match="knows its own"):
        load(run.path, samples=10)
    with pytest.raises(InvalidParameterError, match="unknown target 'sbns'"):
        load(run.path, target="sbns")
    with pytest.raises(InvalidParameterError, match="unknown split 'tset'"):
        load(run.path, split="tset")


def test_several_sets_in_one_folder(run: RunFolder, tmp_path: Path) -> None:
    export_run(run.path, tmp_path / "both", "v2")
    (tmp_path / "both" / "ds6").rename(tmp_path / "both" / "ds20")
    shutil.copytree(tmp_path / "both" / "ds20", tmp_path / "both" / "ds100")
    with pytest.raises(DatasetError, match="give the folder of one of them: ds100, ds20"):
        load(tmp_path / "both")


def test_labels_that_are_missing_or_wrong(run: RunFolder, tmp_path: Path) -> None:
    archive = export_run(run.path, tmp_path / "v2", "v2")
    with pytest.raises(DatasetError, match="'ds6' has no labels 'survivability'; it has snbs"):
        load(archive, target="survivability")
    with pytest.raises(RunFolderError, match="no share of 7 trajectories"):
        load(archive, samples=7)
    assert "n_samples" in load(archive).store.tensors  # shares of 10 are shares of 10,000
    valid = archive / "ds6" / "valid"
    with h5py.File(valid / "snbs.h5", "r+") as file:
        file["8"][2] = 1 / 3
    assert "n_samples" not in load(archive).store.tensors
    with h5py.File(valid / "snbs.h5", "r+") as file:
        file["8"][2] = np.nan
    with pytest.raises(DatasetError, match="snbs of grid 8 of 'ds6' is nan at node 2"):
        load(archive)
    with h5py.File(valid / "snbs.h5", "r+") as file:
        del file["8"]
        file["8"] = np.ones(5)
    with pytest.raises(DatasetError, match="snbs of grid 8 has 5 entries"):
        load(archive)
    (valid / "snbs.h5").unlink()
    with pytest.raises(StorageError, match=r"cannot read .*snbs.h5"):
        load(archive)


def test_damaged_files(run: RunFolder, tmp_path: Path) -> None:
    for layout, name in (("v0", "grid_data_00004.h5"), ("v2", "ds6/train/input_data.h5")):
        file = export_run(run.path, tmp_path / layout, layout) / name
        damage(file, "cut")
        with pytest.raises(StorageError, match=f"cannot read .*{Path(name).name}") as caught:
            load(tmp_path / layout)
        assert "\n" not in str(caught.value)
    export_run(run.path, tmp_path / "odd", "v0")
    with h5py.File(tmp_path / "odd" / "grid_data_00004.h5", "r+") as opened:
        del opened["edge_attr"]
        opened["edge_attr"] = np.full(3, 9.0)
    with pytest.raises(GridstabError, match="edge_attr one entry a row"):
        load(tmp_path / "odd")


def test_other_couplings_are_noticed(run: RunFolder, tmp_path: Path) -> None:
    archive = export_run(run.path, tmp_path / "v0", "v0")
    for file in archive.glob("grid_data_*.h5"):
        with h5py.File(file, "r+") as opened:
            opened["edge_attr"][:] = 1.0
    with pytest.warns(UserWarning, match=r"is coupled by 1, .* simulated with 9"):
        found = load(archive, samples=SAMPLES)
    assert (found[0].edge_attr == 1).all()
    assert_same_graphs(load(archive, samples=SAMPLES, coupling=9.0), load(run.path))
