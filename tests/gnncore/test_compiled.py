"""Where compiled kernels are kept: never beside the source, never under another's control."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gnncore import compiled
from tests import ROOT

PACKAGE = {
    "__init__.py": "",
    "part/__init__.py": "",
    "part/inner.py": """
        from numba import njit

        @njit
        def factor(x):
            return 2.0 * x
    """,
    "part/kernel.py": """
        from gnncore.compiled import compiled
        from toy.part.inner import factor

        @compiled()
        def scaled(x):
            return factor(x)
    """,
}
RUN = """
import sys
from toy.part.kernel import scaled
print(scaled(1.5), sum(scaled.stats.cache_hits.values()))
"""


def make_package(folder: Path) -> None:
    for name, text in PACKAGE.items():
        file = folder / "toy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(line[8:] for line in text.splitlines()))


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    root = str(ROOT)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG_CACHE"))}
    return subprocess.run(
        [sys.executable, "-c", RUN],
        env={**plain, "PYTHONPATH": f"{folder}:{root}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    make_package(folder)
    return folder


def test_kernels_lie_in_the_users_cache_and_are_found_again(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(source, XDG_CACHE_HOME=str(cache)).stdout == "3.0 0\n"
    assert run(source, XDG_CACHE_HOME=str(cache)).stdout == "3.0 1\n"
    assert files(source) == []
    assert {f.relative_to(cache).parts[:2] for f in files(cache)} == {
        ("graphwsl-gridstab", "kernels")
    }


def test_a_change_of_what_is_inlined_from_another_file_is_seen(
    source: Path, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    assert run(source, XDG_CACHE_HOME=cache).stdout == "3.0 0\n"
    inner = source / "toy" / "part" / "inner.py"
    inner.write_text(inner.read_text().replace("2.0", "4.0"))
    assert run(source, XDG_CACHE_HOME=cache).stdout == "6.0 0\n"


def test_numba_s_own_variable_is_heeded(source: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    assert run(source, NUMBA_CACHE_DIR=str(named)).stdout == "3.0 0\n"
    assert files(named)


@pytest.mark.skipif(os.name == "nt", reason="the folder's owner is not asked there")
def test_a_temporary_folder_serves_where_home_is_read_only(source: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # Under a file no folder can be made, not even by root.
    nowhere = {"HOME": str(source / "toy" / "__init__.py"), "TMPDIR": str(temporary)}
    first = run(source, **nowhere)
    assert first.stdout == "3.0 0\n"
    assert len(first.stderr.splitlines()) == 1
    assert "cannot be written, so kernels are compiled into" in first.stderr
    assert run(source, **nowhere).stdout == "3.0 1\n"
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name == "nt", reason="the folder's owner is not asked there")
@pytest.mark.parametrize("trap", ["link", "open"])
def test_a_folder_that_others_can_write_is_not_used(
    source: Path, tmp_path: Path, trap: str
) -> None:
    temporary, foreign = tmp_path / "temporary", tmp_path / "foreign"
    temporary.mkdir()
    foreign.mkdir(mode=0o700)
    folder = temporary / f"graphwsl-gridstab-{os.getuid()}"
    if trap == "link":
        folder.symlink_to(foreign)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    home = str(source / "toy" / "__init__.py")
    ran = run(source, HOME=home, TMPDIR=str(temporary))
    assert ran.stdout == "3.0 0\n"
    assert "compiled anew in every process" in ran.stderr
    assert files(temporary) == files(foreign) == []


def test_kernels_of_this_project_are_not_beside_the_source() -> None:
    folder = compiled.kernel_folder("gridstab.dynamics.native.driver")
    assert folder is not None
    assert folder.is_dir()
    assert not folder.is_relative_to(ROOT)


def test_a_removed_installation_leaves_nothing_behind(tmp_path: Path) -> None:
    # What pip does: it removes the files that it installed, and the bytecode beside them.
    site = tmp_path / "site"
    make_package(site)
    installed = list(site.rglob("*.py"))
    run(site, XDG_CACHE_HOME=str(tmp_path / "cache"))
    for path in installed:
        path.unlink()
    for folder in list(site.rglob("__pycache__")):
        for bytecode in folder.glob("*.pyc"):
            bytecode.unlink()
        folder.rmdir()  # fails where anything else is left
    shutil.rmtree(site)


def test_nothing_is_kept_beside_the_source() -> None:
    root = ROOT
    sources = [
        path for name in ("gnncore", "graphwsl", "gridstab") for path in (root / name).rglob("*.py")
    ]
    keeping = {path.name for path in sources if "cache=True" in path.read_text(encoding="utf-8")}
    assert keeping == {"compiled.py"}
