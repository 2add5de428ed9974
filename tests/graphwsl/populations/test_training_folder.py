"""Networks of a zoo that are learnt from, and what is said of the others."""

from pathlib import Path

import torch

from graphwsl.errors import GeneratorError
from graphwsl.populations.training_folder import networks_of_epochs
from graphwsl.zoo import open_zoo
from tests.graphwsl.zoo.layouts.published_layouts import configuration, small, write_trial


def test_a_bad_checkpoint_of_a_published_layout_is_named_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for name in "ab":
        state = small(1, "tanh", 0.0).state_dict()
        if name == "b":
            state["module_list.0.bias"][0] = torch.nan
        write_trial(tmp_path / "zoo" / name, configuration(), {1: state})
    population, left_out = networks_of_epochs(open_zoo(tmp_path / "zoo"), None, GeneratorError)
    assert len(population) == 1
    assert len(left_out) == 1
    assert "b/checkpoint_1" in left_out[0].reason
