"""Julia where it is; where it is not, the tests that need it say so."""

import os
from pathlib import Path

import pytest

from gridstab.dynamics.julia.find import find_julia, julia_version
from gridstab.errors import EngineUnavailableError


@pytest.fixture(scope="session")
def julia() -> Path:
    """The julia binary; without it, skip, or fail where ``GRIDSTAB_REQUIRE_JULIA=1``."""
    try:
        found = find_julia()
        julia_version(found)
    except EngineUnavailableError as error:
        if os.environ.get("GRIDSTAB_REQUIRE_JULIA") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return found
