"""The strict world of the tests: shapes are checked, warnings are errors, slow tests ask first."""

import os
import pkgutil
from importlib.util import find_spec
from typing import Any

import hypothesis
import pytest
from jaxtyping import install_import_hook

# Workers side by side have one processor each: threads of several would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# numba compiles functions from their source and must see them undecorated; the emitter of machine
# code is called some ten thousand times a kernel, the reader of words once a word.
KERNELS = (
    "gridstab.dynamics.native",
    "gridstab.dynamics.reference",
    "gridstab.dynamics.cuda",
    "gridstab.features.elimination",
    "graphwsl.zoo.kernels.emit",
    "gridstab.grids.matlab_",
)

# A change must not fail for examples that were drawn by chance; hunt for new ones with
# `pytest --hypothesis-profile=explore`.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False, max_examples=1000)
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
    """Files as a whole: what the tests of one train, compile or start, they share."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)
