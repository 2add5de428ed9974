"""What can be asked for by name is on the page that lists it, and every registry has its page."""

import json
import re
import subprocess
import sys

import pytest

from tests import ROOT

PAGES = {
    "gnncore.layers.LAYERS": "models.md",
    "graphwsl.generators.baselines.BASELINES": "generators.md",
    "graphwsl.generators.registry.GENERATORS": "generators.md",
    "graphwsl.generators.latent.registry.SAMPLERS": "generators.md",
    "graphwsl.imports.onnx.registry.OPERATORS": "imports.md",
    "graphwsl.neural_graph.rules.RULES": "neural-graph.md",
    "graphwsl.properties.predictors.PREDICTORS": "properties.md",
    "graphwsl.representations.registry.REPRESENTATIONS": "representations.md",
    "graphwsl.zoo.architectures.activations.ACTIVATIONS": "zoos.md",
    "graphwsl.zoo.architectures.registry.ARCHITECTURES": "zoos.md",
    "graphwsl.zoo.data.REGISTERED": "zoos.md",
    "graphwsl.zoo.layouts.registry.LAYOUTS": "foreign_zoos.md",
    "graphwsl.zoo.training.initialisation.INITIALISATIONS": "zoos.md",
    "graphwsl.zoo.training.objectives.registry.OBJECTIVES": "structured_zoos.md",
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
    "graphwsl.diagnosis.evaluation.METHODS": "diagnosis.md",
    "graphwsl.diagnosis.questions.QUESTIONS": "diagnosis.md",
    "gridstab.datasets.benchmark.BENCHMARK_SETS": "learning_data.md",
    "gridstab.learning.baselines.BASELINES": "learning.md",
    "graphwsl.zoo.data.DATA": "zoos.md",
    "graphwsl.zoo.training.optimisers.OPTIMISERS": "zoos.md",
}


SCRIPT = """
import json, sys
from importlib import import_module
import graphwsl.imports.onnx.module
found = {}
for location in sys.argv[1:]:
    module, _, name = location.rpartition(".")
    found[location] = list(getattr(import_module(module), name))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def names() -> dict[str, list[str]]:
    """In a process of its own: other tests of this one may have registered more."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *PAGES, *CLOSED]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize(("location", "page"), (PAGES | CLOSED).items())
def test_all_names_are_on_the_page(names: dict[str, list[str]], location: str, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert names[location] or location.endswith("REGISTERED")  # data of users alone
    assert [
        name
        for name in names[location]
        if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text)
    ] == []


def test_every_registry_has_a_page() -> None:
    pattern = re.compile(r"^([A-Z_]+)(?:: .*)? = Registry(?:\[.*\])?\(", re.M)
    defined = [
        (path, name)
        for package in ("gnncore", "graphwsl", "gridstab")
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(defined) == len(PAGES), defined
    assert {name for _, name in defined} == {location.rpartition(".")[2] for location in PAGES}
