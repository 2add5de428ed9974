"""Values of wrong types end in an error of the package, in one line that says what to give."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="__main__")
print("messages")
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


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All in one process, which no hook of the tests checks the types in."""
    program, folder = Path(__file__).with_name("wrong_types.py"), tmp_path_factory.mktemp("empty")
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, program],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def test_wrong_types_end_in_the_errors_of_the_package(
    ran: subprocess.CompletedProcess[str],
) -> None:
    foreign, _, _ = ran.stdout.partition("messages\n")
    assert (ran.returncode, foreign, ran.stderr) == (0, "", "")


def test_the_errors_say_what_to_give(ran: subprocess.CompletedProcess[str]) -> None:
    _, _, messages = ran.stdout.partition("messages\n")
    assert messages.splitlines() == [
        "model must be a torch.nn.Module, got an OrderedDict; weights alone do not say what is "
        "done with them: load them into their network, and give that",
        "symmetries must be Symmetries, got a NeuralGraph; give "
        "graphwsl.symmetries.symmetries(graph) of the network that stays",
        "state must be a mapping of names to tensors, got a NeuralGraph; give the state_dict() "
        "of a network",
        "inputs are (3,) of torch.float32; give tensors of the shapes of the example: (1, 3) of "
        "torch.float32",
    ]
