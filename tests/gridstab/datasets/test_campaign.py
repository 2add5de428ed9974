import tomllib
from pathlib import Path

import pytest

import gridstab
from gridstab.datasets import Campaign
from gridstab.datasets.grid_source import GridSource
from gridstab.errors import CaseError, GridstabError, InvalidParameterError
from tests import ROOT

CAMPAIGNS = ROOT / "simulations" / "campaigns"


def test_defaults() -> None:
    campaign = Campaign.resolve()
    assert campaign.nodes == 100
    assert campaign.name == "n100-g1-s1000-seed0"


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text('nodes = 20\nsamples = 30\nstop = "horizon"\n')
    campaign = Campaign.resolve(file, samples=40)
    assert (campaign.nodes, campaign.samples, campaign.stop) == (20, 40, "horizon")


def test_name_tells_what_differs_from_the_defaults() -> None:
    campaign = Campaign.resolve(case="dir/some grid.json", stop="published", horizon=50)
    assert campaign.name == "some_grid-g1-s1000-seed0-published-horizon50"


def test_ranges_of_perturbations_reach_the_simulation() -> None:
    campaign = Campaign.resolve(nodes=6, samples=40, dtheta_range=1.5, domega_range=2.5)
    assert campaign.name == "n6-g1-s40-seed0-dtheta1.5-domega2.5"
    assert (campaign.settings.dtheta_range, campaign.settings.domega_range) == (1.5, 2.5)
    with pytest.raises(InvalidParameterError, match="domega_range must be greater than 0, got 0"):
        Campaign.resolve(domega_range=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("nodes", 0),
        ("nodes", -2),
        ("nodes", 1),
        ("grids", 0),
        ("samples", 0),
        ("samples", -5),
        ("seed", -1),
        ("stop", "soon"),
        ("sampler", "dice"),
        ("precision", float("nan")),
        ("precision", 0.0),
        ("horizon", float("nan")),
        ("horizon", float("inf")),
        ("horizon", -1.0),
        ("scrambles", 1),
    ],
)
def test_bad_values_are_repeated_in_one_line(option: str, value: object) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        Campaign.resolve(**{option: value})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(option)
    assert repr(value) in message


def test_nodes_and_case_exclude_each_other() -> None:
    with pytest.raises(InvalidParameterError, match="exclude each other"):
        Campaign.resolve(nodes=20, case="texas")


def test_sobol_samples_are_checked() -> None:
    with pytest.raises(InvalidParameterError, match="1000"):
        Campaign.resolve(sampler="sobol", samples=1000)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("nodes = = 3", "no valid TOML"),
        ("node = 20", "unknown key 'node'"),
        ("workers = 3", "unknown key 'workers'"),
        ('samples = "many"', "samples must be .* got 'many'"),
        ("nodes = nan", "nodes must be"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(text)
    with pytest.raises(GridstabError, match=match) as caught:
        Campaign.resolve(file)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="cannot read"):
        Campaign.resolve(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaseError, match="no valid TOML"):
        Campaign.resolve(tmp_path / "binary.toml")


@pytest.mark.parametrize("file", sorted(CAMPAIGNS.glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_campaigns_are_valid(file: Path) -> None:
    campaign = Campaign.resolve(file)
    written = tomllib.loads(file.read_text())
    assert campaign.model_dump(include=set(written)) == written


def test_the_published_campaigns_are_those_of_the_papers() -> None:
    ds20 = Campaign.resolve(CAMPAIGNS / "ds20.toml")
    assert (ds20.nodes, ds20.grids, ds20.samples) == (20, 10_000, 10_000)
    assert Campaign.resolve(CAMPAIGNS / "ds100.toml").nodes == 100
    assert Campaign.resolve(CAMPAIGNS / "texas.toml").case == "texas"


def test_random_grids_are_drawn_by_seed_and_number() -> None:
    source = Campaign.resolve(nodes=20, seed=3).source
    assert source.grid(7) == gridstab.random_grid(20, seed=(3, 7))
    assert source.grid(7) != source.grid(8)


def test_cases_share_topology_and_draw_powers() -> None:
    source = Campaign.resolve(case="case14", seed=3).source
    for grid_id in (1, 2):
        assert source.grid(grid_id) == gridstab.load_case("case14", seed=(3, grid_id))
    assert source.grid(1) != source.grid(2)


def test_a_grid_file_is_a_single_grid(tmp_path: Path) -> None:
    from gridstab.grids.files import save_grid

    grid = gridstab.random_grid(6, seed=1)
    save_grid(grid, tmp_path / "grid.json")
    case = str(tmp_path / "grid.json")
    assert Campaign.resolve(case=case).source.grid(1) == grid
    with pytest.raises(InvalidParameterError, match="single grid"):
        _ = Campaign.resolve(case=case, grids=2).source


def test_sources_are_equal_where_their_grids_are() -> None:
    """What is remembered for one source must not be taken for another."""
    one, same, other = (GridSource.of(nodes=6, case=None, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.model(1).grid != other.model(1).grid
