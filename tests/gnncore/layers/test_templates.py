"""Nothing is left in the folder for temporary files by the operators of PyG."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.nn import TAGConv

from gnncore.layers import make_layer

PROGRAM = """
import sys
from gnncore.layers import make_layer
for name in sys.argv[1:]:
    make_layer(name, 8, 8, 0)
"""


def test_no_file_is_left(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", PROGRAM, "tag", "gcn", "gatv2", "gin"],
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_the_code_can_still_be_read_and_scripted() -> None:
    make_layer("tag", 2, 3)
    assert "def propagate" in inspect.getsource(TAGConv.propagate)
    operator = TAGConv(2, 3)
    x, edge_index = torch.ones(4, 2), torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.script"):
        scripted = torch.jit.script(operator)
    torch.testing.assert_close(scripted(x, edge_index), operator(x, edge_index))
