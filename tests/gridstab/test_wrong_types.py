"""Whoever passes the wrong kind of value meets the package's own error."""

import subprocess
import sys
from pathlib import Path


def test_wrong_types_end_in_the_errors_of_the_package(tmp_path: Path) -> None:
    program = Path(__file__).with_name("wrong_types.py")
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_functions_keep_their_names_when_their_modules_are_imported() -> None:
    from gridstab import dynamics, grids

    for package in (dynamics, grids):
        for name in package.__all__:
            assert callable(getattr(package, name)) or name == "STOP_RULES"
