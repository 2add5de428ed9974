"""The strict world of the tests: shapes are checked, warnings are errors, slow tests ask first."""

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import hypothesis
import pytest
from jaxtyping import install_import_hook

# Workers side by side have one processor each: threads of several would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# numba compiles functions from their source and must see them undecorated; the emitter of machine
# code is called some ten thousand times a kernel, the reader of words once a word, the oracle of
# trajectories twelve times a step.
KERNELS = (
    "gridstab.dynamics.native",
    "gridstab.dynamics.reference",
    "gridstab.dynamics.oracle",
    "gridstab.dynamics.cuda",
    "gridstab.features.elimination",
    "graphwsl.zoo.kernels.emit",
    "gridstab.grids.matlab_",
)

TOGETHER = (
    (  # they ask every engine
        "tests/gridstab/dynamics/test_physics.py",
        "tests/gridstab/dynamics/test_time_scales.py",
        "tests/gridstab/dynamics/test_reference.py",
        "tests/gridstab/dynamics/test_simulate.py",
        "tests/gridstab/dynamics/julia/test_julia_engine.py",
        "tests/gridstab/dynamics/native/test_integrator.py",
    ),
    (  # they ask for graphs and symmetries of every family of networks
        "tests/graphwsl/symmetries/test_symmetries_of_families.py",
        "tests/graphwsl/symmetries/test_entry_maps.py",
        "tests/graphwsl/symmetries/test_symmetries_are_all_found.py",
        "tests/graphwsl/symmetries/test_symmetries_under_rounding.py",
        "tests/graphwsl/neural_graph/test_round_trip.py",
        "tests/graphwsl/populations/test_tokens.py",
    ),
)

# Looking for unreachable objects as often as Python does by itself takes a twentieth of the run.
gc.set_threshold(100_000, 50, 100)

# A change must not fail for examples that were drawn by chance, nor for what else the machine does;
# hunt for new ones with `pytest --hypothesis-profile=explore`.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.register_profile("explore", derandomize=False, deadline=None, max_examples=1000)
hypothesis.settings.load_profile("repeatable")


def _typed_modules() -> list[str]:
    names = []
    for package in ("gnncore", "graphwsl", "gridstab"):
        spec = find_spec(package)
        assert spec is not None
        modules = pkgutil.walk_packages(spec.submodule_search_locations, package + ".")
        names += [m.name for m in modules if not m.ispkg and not m.name.startswith(KERNELS)]
    return names


# The numeric tower lets an int pass for a float, as in every type checker (PEP 484).
install_import_hook(
    _typed_modules(), "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_said_by_the_clock() -> Iterator[None]:
    """What programs say after so many seconds would depend on what else the machine does."""
    from gnncore.command_line import heartbeat, progress

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heartbeat, "SECONDS", 1e6)
        patch.setattr(progress, "SECONDS_PER_LINE", 1e6)
        yield


@pytest.fixture(autouse=True)
def _networks_of_one_test_are_none_of_another(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """A module that a test wrote is forgotten with it, lest another of the same name find it."""
    before = set(sys.modules)
    yield
    temporary = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(temporary):
            del sys.modules[name]
            importlib.invalidate_caches()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the slow checks")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as a whole: what the tests of one train, compile or start, they share.

    Those of :data:`TOGETHER` go to one worker: two would compile or trace the same at once.
    """
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return next((files[0] for files in TOGETHER if file in files), file)

    return Files(config, log)
