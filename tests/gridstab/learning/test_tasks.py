"""Tasks: outputs, classes and the weights of the published loss."""

from dataclasses import dataclass

import pytest
import torch
from torch_geometric.data import Data

from gnncore.training import GraphStore
from gnncore.training.objectives import ClassificationObjective, RegressionObjective
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.data import TARGETS
from gridstab.learning.tasks import TASKS, get_task, positive_weight


@dataclass
class Labels:
    """The least that a data set has."""

    store: GraphStore


def labels(*y: float, mask: list[bool] | None = None) -> Labels:
    data = Data(x=torch.zeros(len(y), 1), edge_index=torch.zeros(2, 0, dtype=torch.long))
    data.y = torch.tensor(y)
    if mask is not None:
        data.y_mask = torch.tensor(mask)
    return Labels(GraphStore.from_data_list([data]))


def test_every_target_has_a_task() -> None:
    assert {task.target for task in TASKS.values()} == set(TARGETS)
    assert all(get_task(name) is task for name, task in TASKS.items())
    with pytest.raises(InvalidParameterError, match="unknown task 'weather'; choose one of snbs"):
        get_task("weather")


def test_shares_end_in_a_sigmoid_and_nothing_else_does() -> None:
    outputs = {name: task.output for name, task in TASKS.items()}
    assert outputs == {
        "snbs": "sigmoid",
        "survivability": "sigmoid",
        "troublemaker": "identity",
        "max_frequency_deviation": "identity",
        "landscape": "sigmoid",
    }


def test_classes_are_told_apart_at_the_published_bound() -> None:
    deviation = get_task("max_frequency_deviation")
    assert deviation.is_positive(torch.tensor([14.9, 15.0, 15.1])).tolist() == [False, False, True]
    assert get_task("troublemaker").is_positive(torch.tensor([0.0, 1.0])).tolist() == [False, True]
    with pytest.raises(InvalidParameterError, match="'snbs' tells no classes apart"):
        get_task("snbs").is_positive(torch.zeros(2))


def test_the_positive_weight_is_negatives_over_positives() -> None:
    assert positive_weight(labels(0, 0, 0, 1)) == 3.0
    assert positive_weight(labels(0, 1, 0, 1, mask=[True, True, False, False])) == 1.0
    for one_sided in (labels(0, 0), labels(1, 1)):
        with pytest.raises(DatasetError, match="of 2 training nodes are troublemakers"):
            positive_weight(one_sided)


def test_objectives() -> None:
    assert get_task("snbs").objective(labels(0.5)) == RegressionObjective()
    objective = get_task("troublemaker").objective(labels(0, 0, 0, 1))
    assert objective == ClassificationObjective(pos_weight=3.0, beta=2.0)
    logit, data = torch.tensor([[0.3], [-0.2]]), Data(y=torch.tensor([1.0, 0.0]))
    p = logit.sigmoid()[:, 0]
    expected = (-3 * p[0].log() - (1 - p[1]).log()) / 2
    torch.testing.assert_close(objective.loss(logit, data), expected)
