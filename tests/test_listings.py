"""What can be asked for by name is on the page that lists it, and every registry has its page."""

import re
from importlib import import_module
from typing import Any

import pytest

from gnncore.registry import Registry
from tests import ROOT

PAGES = {
    "gnncore.layers.LAYERS": "models.md",
    "graphwsl.imports.onnx.module.OPERATORS": "imports.md",
    "graphwsl.neural_graph.rules.RULES": "neural-graph.md",
    "graphwsl.properties.predictors.PREDICTORS": "properties.md",
    "graphwsl.zoo.architectures.activations.ACTIVATIONS": "zoos.md",
    "graphwsl.zoo.architectures.registry.ARCHITECTURES": "zoos.md",
    "graphwsl.zoo.data.REGISTERED": "zoos.md",
    "graphwsl.zoo.layouts.registry.LAYOUTS": "foreign_zoos.md",
    "graphwsl.zoo.training.initialisation.INITIALISATIONS": "zoos.md",
    "gridstab.datasets.executors.EXECUTORS": "campaigns.md",
    "gridstab.datasets.layouts.LAYOUTS": "campaigns.md",
    "gridstab.dynamics.engine.STOP_RULES": "stop-rules.md",
    "gridstab.dynamics.engines.ENGINES": "engines.md",
    "gridstab.dynamics.sampling.SAMPLERS": "sampling.md",
    "gridstab.features.feature_set.EDGE_FEATURES": "learning_data.md",
    "gridstab.features.feature_set.FEATURE_SETS": "learning_data.md",
    "gridstab.features.feature_set.NODE_FEATURES": "learning_data.md",
    "gridstab.features.measures.MEASURES": "learning_data.md",
    "gridstab.learning.published.PUBLISHED_MODELS": "learning.md",
    "gridstab.learning.tasks.TASKS": "learning.md",
}
"""Where every registry is once all of the packages' own is in it, and the page that lists that."""

# Dictionaries and tuples to which nothing is added from outside.
CLOSED = {
    "gridstab.datasets.benchmark.BENCHMARK_SETS": "learning_data.md",
    "gridstab.learning.baselines.BASELINES": "learning.md",
    "graphwsl.zoo.data.DATA": "zoos.md",
    "graphwsl.zoo.training.optimisers.OPTIMISERS": "zoos.md",
}


def at(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


@pytest.mark.parametrize(("place", "page"), (PAGES | CLOSED).items())
def test_all_names_are_on_the_page(place: str, page: str) -> None:
    names = at(place)
    assert isinstance(names, Registry if place in PAGES else dict | tuple)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    missing = [n for n in names if not re.search(rf"(?<![\w.-]){re.escape(n)}(?![\w-])", text)]
    assert missing == []


def test_every_registry_has_a_page() -> None:
    pattern = re.compile(r"^([A-Z_]+)(?:: .*)? = Registry(?:\[.*\])?\(", re.M)
    defined = [
        (path, name)
        for package in ("gnncore", "graphwsl", "gridstab")
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(defined) == len(PAGES), defined
    assert {name for _, name in defined} == {place.rpartition(".")[2] for place in PAGES}
