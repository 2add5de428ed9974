"""Every dotted name that the documentation uses works after ``import`` of its package alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT

DOTTED = re.compile(r"(?<![\w./-])(?:gnncore|graphwsl|gridstab)(?:\.[A-Za-z_]\w*)+")
NO_EXPRESSION = re.compile(
    # Names of folders' kinds, of modules that only their own maker imports, and of files.
    r"(gridstab|graphwsl)\.(training|zoo|predictor|run)$|.*\.(toml|py|json|h5|png|git|md)$"
)


def documents() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from (ROOT / "docs").glob("*.md")
    yield from (ROOT / "examples").glob("*.py")


def expressions() -> list[str]:
    found = {
        match[0]
        for path in documents()
        for match in DOTTED.finditer(path.read_text(encoding="utf-8"))
    }
    names = sorted(name for name in found if not NO_EXPRESSION.match(name))
    # Whoever asks for ``a.b.c`` asks for ``a.b`` on the way.
    asked = {name.rpartition(".")[0] for name in names}
    return [name for name in names if name not in asked]


# One interpreter that knows the libraries but nothing of ours, and a fork of it for every name.
SCRIPT = """
import json, os, sys
import h5py, matplotlib.pyplot, networkx, numba, pydantic, scipy.sparse, sklearn.ensemble
import torch, torch_geometric, typer

def answer(expression):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            package = expression.split(".")[0]
            eval(expression, {package: __import__(package)})
            said = "fine"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:500])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text

print(json.dumps({name: answer(name) for name in sys.argv[1:]}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_documented_names_work_in_a_fresh_interpreter() -> None:
    names = expressions()
    assert len(names) > 40
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *names]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answers = json.loads(ran.stdout)
    assert answers.keys() == set(names)
    assert {name: said for name, said in answers.items() if said != "fine"} == {}
