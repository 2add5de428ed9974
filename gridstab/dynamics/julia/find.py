"""Where Julia and the sources of GridDynamics are on this machine, and how Julia is started.

``GRIDSTAB_JULIA`` names the julia binary; without it, ``julia`` on the PATH, then the one that
``simulations/install_julia.sh`` installs (below ``GRIDSTAB_JULIA_PREFIX`` where it is set).
"""

import os
import re
import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gridstab.errors import EngineUnavailableError

OLDEST = (1, 5)
"""The oldest version of Julia that GridDynamics runs on."""

OPTIONS = ("--startup-file=no", "-O3", "--check-bounds=no")
"""Options of Julia, whether it runs in this process or in its own."""

MAIN_FILE = Path("GridDynamics", "src", "GridDynamics.jl")
"""What is included, within ``simulations`` or the data folder of an installation."""


def find_julia() -> Path:
    """The path of the julia binary.

    Raises:
        EngineUnavailableError: There is none, or ``GRIDSTAB_JULIA`` names none.
    """
    named = os.environ.get("GRIDSTAB_JULIA")
    if named:
        if not _is_program(Path(named)):
            raise EngineUnavailableError(
                f"GRIDSTAB_JULIA is {named!r}, which is no program; "
                "set it to the path of the julia binary, or unset it"
            )
        return Path(named).absolute()
    on_path = shutil.which("julia")
    if on_path is not None:
        return Path(on_path).absolute()
    installed = default_prefix() / "bin" / "julia"
    if _is_program(installed):
        return installed
    raise EngineUnavailableError(f"Julia was not found; {_remedy()}")


def default_prefix() -> Path:
    """Where ``simulations/install_julia.sh`` installs to."""
    named = os.environ.get("GRIDSTAB_JULIA_PREFIX")
    if named:
        return Path(named).absolute()
    return _user_folder("XDG_DATA_HOME", ".local/share") / "gridstab" / "julia"


@lru_cache
def julia_version(julia: Path) -> str:
    """The version of that binary, which is run once.

    Raises:
        EngineUnavailableError: It does not run, or is older than :data:`OLDEST`.
    """
    try:
        done = subprocess.run(
            [julia, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineUnavailableError(f"{julia} does not run ({error}); {_remedy()}") from error
    found = re.search(r"(\d+)\.(\d+)\S*", done.stdout)
    if found is None:
        raise EngineUnavailableError(f"{julia} is not Julia; {_remedy()}")
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineUnavailableError(
            f"{julia} is version {found[0]}, but {oldest} is the oldest that serves; {_remedy()}"
        )
    return found[0]


def find_source() -> Path:
    """The main file of GridDynamics: of the source tree, or what a wheel installed from it.

    Raises:
        EngineUnavailableError: Neither the source tree nor the installation holds it.
    """
    tree = Path(__file__).parents[3] / "simulations"
    if (tree / MAIN_FILE).is_file():
        return tree / MAIN_FILE
    installed = _find_installed()
    if installed is None:
        raise EngineUnavailableError(
            "the sources of GridDynamics are missing; reinstall graphwsl-gridstab"
        )
    return installed


@lru_cache
def _find_installed() -> Path | None:
    # Ask the installer where it put the file: data folders differ between environments.
    try:
        files = distribution("graphwsl-gridstab").files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-3:] == MAIN_FILE.parts:
            path = Path(str(file.locate())).resolve()
            return path if path.is_file() else None
    return None


def julia_environment(threads: int) -> dict[str, str]:
    """Variables that Julia must find at its start; what the user has set stays.

    Args:
        threads: Number of Julia's threads.
    """
    depot = _user_folder("XDG_CACHE_HOME", ".cache") / "gridstab" / "julia"
    return {
        # Written to first; the empty second part stands for Julia's own depots.
        "JULIA_DEPOT_PATH": os.environ.get("JULIA_DEPOT_PATH") or f"{depot}{os.pathsep}",
        "JULIA_NUM_THREADS": str(threads),
        # Julia's own OpenBLAS would start a thread a processor, and GridDynamics never calls it.
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS") or "1",
    }


def _remedy() -> str:
    try:
        # Beside GridDynamics in the source tree and in an installation.
        installer = find_source().parents[2] / "install_julia.sh"
    except EngineUnavailableError:
        installer = Path("simulations", "install_julia.sh")
    return f"run {installer}, or install Julia from julialang.org and set GRIDSTAB_JULIA to it"


def _user_folder(variable: str, default: str) -> Path:
    named = os.environ.get(variable)
    return Path(named) if named else Path.home() / default


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
