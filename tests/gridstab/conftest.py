"""A tiny labelled set and a model trained on it, made once for all tests that learn."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

TINY_MODEL = """
layer = "tag"
layer_options = {K = 2}
hidden_channels = [8, 8]
head = {hidden = [8]}
features = "published"

[training]
epochs = 4
batch_size = 4
learning_rate = 0.01
checkpoint_seconds = 0
device = "cpu"
"""


Surroundings = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def learning_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    """One thread, since others split sums differently, and a cache that is not the user's."""
    cache = tmp_path_factory.mktemp("caches")

    @contextmanager
    def surroundings() -> Iterator[None]:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(cache))
            yield
        torch.set_num_threads(threads)

    return surroundings


@pytest.fixture
def learning(learning_surroundings: Surroundings) -> Iterator[None]:
    with learning_surroundings():
        yield


@pytest.fixture(scope="session")
def labelled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of 12 grids of 20 nodes: 8 to train on, 2 to validate and 2 to test."""
    from gridstab.datasets import Campaign, run_campaign

    path = tmp_path_factory.mktemp("labels") / "tiny"
    run_campaign(Campaign.resolve(nodes=20, grids=12, samples=20), path, workers=1)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML file of a small model with its settings."""
    path = tmp_path_factory.mktemp("models") / "tiny-tag.toml"
    path.write_text(TINY_MODEL, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def _trained(
    tmp_path_factory: pytest.TempPathFactory,
    labelled_run: Path,
    tiny_model: Path,
    learning_surroundings: Surroundings,
) -> Path:
    from gridstab.learning.train import train_model

    path = tmp_path_factory.mktemp("trained") / "run"
    with learning_surroundings():
        train_model(tiny_model, labelled_run, path)
    return path


@pytest.fixture
def trained_run(_trained: Path, learning: None) -> Path:
    """A training folder; copy it before changing it."""
    return _trained
