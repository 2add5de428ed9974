"""A mistake on the command line is refused before anything is imported that takes long."""

import pytest

from tests.test_completion import program


@pytest.mark.parametrize(
    ("command", "unneeded", "message"),
    [
        (["gridstab", "simulate", "--nodes", "1"], "torch scipy.stats numba", "or equal to 2"),
        (["gridstab", "landscape", "--nodes", "1"], "torch scipy.stats numba", "or equal to 2"),
        (["gridstab", "train", "--data", "nowhere"], "torch", "'nowhere' is no folder"),
        (["gridstab", "train", "--data", "ds20,nowhere"], "torch", "'nowhere' is no folder"),
        (["gridstab", "evaluate", "nowhere", "--data", "ds20"], "torch", "'nowhere' is no folder"),
        (["graphwsl", "zoo", "train", "nosuch"], "torch._dynamo", "unknown recipe 'nosuch'"),
        (["graphwsl", "zoo", "info", "nowhere"], "torch._dynamo", "'nowhere' is no folder"),
        (["graphwsl", "graph", "nowhere"], "torch._dynamo", "'nowhere' is neither"),
    ],
)
def test_refusals_are_light(command: list[str], unneeded: str, message: str) -> None:
    done = program(*command)
    said, modules = done.stderr.splitlines()[:2]
    assert message in said
    assert set(unneeded.split()) & set(modules.split()) == set()
