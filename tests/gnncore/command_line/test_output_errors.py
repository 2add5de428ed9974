"""A standard output that takes nothing ends a program in one line, or in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "gridstab", "--help"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(PROGRAM, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "gridstab: cannot write the output: No space left on device"
    ]


def test_a_reader_who_has_left_is_no_error_to_speak_of() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(PROGRAM, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_error_that_nobody_can_be_told_keeps_its_exit_code() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*PROGRAM[:-1], "info", "/nowhere"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stdout) == (2, "")
