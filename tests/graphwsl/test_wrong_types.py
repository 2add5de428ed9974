"""Values of wrong types end in an error of the package, in one line that says what to give."""

import subprocess
import sys
from pathlib import Path


def test_wrong_types_end_in_the_errors_of_the_package(tmp_path: Path) -> None:
    program = Path(__file__).with_name("wrong_types.py")
    ran = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


PROGRAM = """
import torch, graphwsl
from graphwsl.alignment import align
from graphwsl.errors import GraphwslError
from graphwsl.symmetries import symmetries, verify
model, x = torch.nn.Linear(3, 2), torch.zeros(1, 3)
graph = graphwsl.neural_graph(model, x)
for call in (
    lambda: graphwsl.neural_graph(model.state_dict(), x),
    lambda: align(graph, graph),
    lambda: align(symmetries(graph), graph),
    lambda: verify(symmetries(graph).random(), inputs=torch.zeros(3)),
):
    try:
        call()
    except GraphwslError as error:
        print(error)
"""


def test_the_errors_say_what_to_give() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        "model must be a torch.nn.Module, got an OrderedDict; weights alone do not say what is "
        "done with them: load them into their network, and give that",
        "symmetries must be Symmetries, got a NeuralGraph; give "
        "graphwsl.symmetries.symmetries(graph) of the network that stays",
        "state must be a mapping of names to tensors, got a NeuralGraph; give the state_dict() "
        "of a network",
        "inputs are (3,) of torch.float32; give tensors of the shapes of the example: (1, 3) of "
        "torch.float32",
    ]
