"""Hostile files of every format that the programs read: each ends in the package's own error."""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")

from tests.attacks import honest_files, hostile_tables, hostile_weights

OWN = {"GraphwslError", "GridstabError", "GnncoreError", "StorageError"}
FULL = "> /dev/full"
DOORS = Path(__file__).parent / "doors.py"


@cache
def server() -> subprocess.Popen[str]:
    """One process that has imported everything, for all tests."""
    started = subprocess.Popen(
        [sys.executable, str(DOORS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )
    atexit.register(_stop, started)
    return started


def _stop(process: subprocess.Popen[str]) -> None:
    process.communicate()  # the end of its input is its own


def tried(attempts: list[tuple[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What became of each attempt."""
    process = server()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([str(folder), attempts]) + "\n")
    process.stdin.flush()
    return [json.loads(process.stdout.readline()) for _ in attempts]


def fault(outcome: dict[str, Any]) -> str | None:
    """How an attempt did not end in one line of the package's own error."""
    if outcome["signal"]:
        return f"killed by signal {outcome['signal']} (14: it took too long)"
    if outcome["events"]:
        return f"while it was read: {outcome['events'][:5]}"
    if outcome["error"] is None:
        return "it was read as if nothing were wrong"
    if not OWN & set(outcome["error"]):
        return f"it raised {outcome['error'][0]}: {outcome['traceback']}"
    if "\n" in outcome["message"] or len(outcome["message"]) > 3000:
        return f"its message is no line: {outcome['message'][:3000]!r}"
    return None


def faults(attempts: list[tuple[str, Path]], folder: Path) -> dict[str, str]:
    outcomes = tried([(door, str(path)) for door, path in attempts], folder)
    found = {
        path.name: fault(outcome) for (_, path), outcome in zip(attempts, outcomes, strict=True)
    }
    return {name: reason for name, reason in found.items() if reason}


def written(files: dict[str, tuple[str, bytes]], folder: Path) -> list[tuple[str, Path]]:
    for name, (_, data) in files.items():
        (folder / name).write_bytes(data)
    return [(door, folder / name) for name, (door, _) in files.items()]


def test_weights_and_networks_made_to_hurt_end_in_one_line(tmp_path: Path) -> None:
    files = hostile_weights.made()
    assert len(files) > 100
    assert faults(written(files, tmp_path), tmp_path) == {}
    assert not (tmp_path / "executed").exists()


def test_tables_made_to_hurt_end_in_one_line(tmp_path: Path) -> None:
    attempts = written(hostile_tables.texts(), tmp_path)
    for build in hostile_tables.BUILDERS:
        attempts += build(tmp_path)
    assert len(attempts) > 130
    assert faults(attempts, tmp_path) == {}


FACTORIES = """
class Sly(BaseException):
    def __str__(self):
        raise ValueError("no text")
def raises():
    raise OSError("[/red]\\x1b[31m of their own\\nand more")
def exits():
    raise SystemExit(0)
def none():
    return None
def sly():
    raise Sly
"""


def test_commands_end_in_one_line_and_a_code(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(FACTORIES)
    files = hostile_tables.texts() | hostile_weights.of_numpy() | hostile_weights.of_onnx()
    written(files, tmp_path)
    zoos = {path.name: str(path) for _, path in hostile_tables.zoos(tmp_path)}
    file = {name: str(tmp_path / name) for name in files}
    long = "x" * 300
    commands = [
        *(
            ["graphwsl", "graph", f"theirs:{name}"]
            for name in ("raises", "exits", "nothing", "sly")
        ),
        *(
            ["graphwsl", "graph", name]
            for name in ("antigravity:fly", "this:s", "sys:exit", "os:x")
        ),
        *(["graphwsl", "graph", file[f"{name}.onnx"]] for name in ("long_loop", "concat", "input")),
        *(
            ["graphwsl", "zoo", "train", "digits_seed", "--data", file[f"{name}.npz"]]
            for name in ("bomb", "encrypted", "digits", "classes", "damaged")
        ),
        *(["graphwsl", "zoo", "train", file[f"{name}.toml"]] for name in ("recipe_deep", "pixels")),
        *(["graphwsl", "zoo", "info", zoos[f"own_{name}"]] for name in ("deep", "digits", "half")),
        ["graphwsl", "zoo", "info", long],
        ["graphwsl", "predict", long, long],
        ["graphwsl", "--help", FULL],
        ["graphwsl", "zoo", "info", zoos["ray_tune_markup"], FULL],
        *(
            ["gridstab", "simulate", "--campaign", file[f"campaign_{n}.toml"]]
            for n in ("deep", "list")
        ),
        *(["gridstab", "simulate", "--case", file[name]] for name in ("deep.json", "digits.csv")),
        ["gridstab", "simulate", "--nodes", "10", "--samples", "1", "--out", long],
        ["gridstab", "info", long],
        ["gridstab", "verify", long],
        ["gridstab", "--help", FULL],
    ]
    outcomes = tried([("command", command) for command in commands], tmp_path)
    found = {}
    for command, outcome in zip(commands, outcomes, strict=True):
        lines = outcome["stderr"].splitlines()
        right = outcome["signal"] == 0 and outcome["code"] in (1, 2) and len(lines) == 1
        if not right or not lines[0].startswith(f"{command[0]}: ") or not lines[0].isprintable():
            found[" ".join(command)[-100:]] = outcome
    assert found == {}


def test_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    zoos = {path.name: str(path) for _, path in hostile_tables.zoos(tmp_path)}
    commands = [["graphwsl", "zoo", name, zoos["ray_tune_markup"]] for name in ("info", "verify")]
    for outcome in tried([("command", command) for command in commands], tmp_path):
        assert "[/red]" in outcome["stdout"]
        assert "\x1b" not in outcome["stdout"] + outcome["stderr"]
        assert "Traceback" not in outcome["stderr"]


@pytest.mark.parametrize(
    "each", [8, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_changed_bytes_are_read_or_end_in_one_line(tmp_path: Path, each: int) -> None:
    attempts = []
    for name, (door, data) in honest_files.made(tmp_path).items():
        for number in range(each):
            path = tmp_path / f"{number:04d}_{name}"
            path.write_bytes(honest_files.mutated(data, f"{name}-{number}"))
            attempts.append((door, path))
    outcomes = tried([(door, str(path)) for door, path in attempts], tmp_path)
    found = {}
    for (_, path), outcome in zip(attempts, outcomes, strict=True):
        reason = fault(outcome)
        if reason and not reason.startswith("it was read"):
            found[path.name] = reason
    assert found == {}
    # Whoever refuses everything learns nothing, and so does whoever reads everything.
    assert 0 < sum(outcome["error"] is None for outcome in outcomes) < len(outcomes)


def test_a_small_file_is_read_where_memory_is_short(tmp_path: Path) -> None:
    """A reader that reserves its limit of 4 GiB fails under 4 GB of address space."""
    files = honest_files.made(tmp_path)
    outcomes = tried([(door, str(path)) for door, path in written(files, tmp_path)], tmp_path)
    found = {n: o.get("traceback") for n, o in zip(files, outcomes, strict=True) if o["error"]}
    assert found == {}


def test_a_linked_list_of_lines_shows_nothing_of_what_it_links_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2,1\nhunter3,2\n")
    (tmp_path / "grid.csv").symlink_to(tmp_path / "secret")
    outcome = tried([("grid", str(tmp_path / "grid.csv"))], tmp_path)[0]
    assert "CaseError" in outcome["error"]
    assert "hunter" not in outcome["message"]
