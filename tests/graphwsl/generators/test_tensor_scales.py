"""Scales of tensors: the published formula, exactly back, and nothing that is not finite."""

import numpy as np
import torch
from torch import Tensor, nn

from graphwsl.generators.tensor_scales import TensorScales
from graphwsl.populations import Function
from graphwsl.populations.population import Architecture


def network() -> tuple[Architecture, Tensor]:
    """Networks with batch norm; the second tensor is the same number everywhere."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    architecture = Function.of(module, torch.zeros(1, 3), "small").architecture
    generator = torch.Generator().manual_seed(0)
    states = []
    for count in (5, 6, 8):
        state = {name: torch.randn(tensor.shape, generator=generator)
                 for name, tensor in module.state_dict().items()
                 if tensor.is_floating_point()}  # fmt: skip
        state["0.bias"] = torch.full((4,), 0.3)
        state["1.running_var"] = torch.rand(4, generator=generator) + 0.1
        state["1.num_batches_tracked"] = torch.tensor(count)
        states.append(architecture.graph.flat(state, dtype=torch.float32))
    return architecture, torch.stack(states)


def part(architecture: Architecture, rows: Tensor, name: str) -> Tensor:
    start = architecture.graph.offsets[name]
    return rows[:, start : start + architecture.graph.state[name].numel()]


def test_rows_come_back() -> None:
    architecture, rows = network()
    scales = TensorScales.fit(rows, architecture)
    normalised = scales.normalise(rows)
    assert bool(normalised.isfinite().all())
    back = scales.restore(normalised)
    counter = part(architecture, back, "1.num_batches_tracked")
    assert counter[:, 0].tolist() == [6, 6, 6]  # of 5, 6 and 8
    floating = scales.is_learnt
    torch.testing.assert_close(back[:, floating], rows[:, floating], atol=1e-5, rtol=1e-4)


def test_means_and_deviations_are_means_of_those_of_networks() -> None:
    architecture, rows = network()
    scales = TensorScales.fit(rows, architecture)
    weights = part(architecture, rows, "0.weight").numpy()
    number = list(architecture.graph.state).index("0.weight")
    np.testing.assert_allclose(float(scales.mean[number]), weights.mean(1).mean(), rtol=1e-4)
    np.testing.assert_allclose(float(scales.deviation[number]), weights.std(1).mean(), rtol=1e-4)
    variances = part(architecture, rows, "1.running_var").numpy()
    logarithms = np.log(variances / (0.95 * variances.mean()) + 0.05)
    number = list(architecture.graph.state).index("1.running_var")
    np.testing.assert_allclose(float(scales.mean[number]), logarithms.mean(), rtol=1e-4)


def test_running_variances_come_back_positive_whatever_is_made() -> None:
    architecture, rows = network()
    scales = TensorScales.fit(rows, architecture)
    made = scales.restore(torch.full_like(rows, -50.0))
    assert bool((part(architecture, made, "1.running_var") > 0).all())


def test_equal_numbers_stay_what_they_are() -> None:
    architecture, rows = network()
    scales = TensorScales.fit(rows, architecture)
    normalised = part(architecture, scales.normalise(rows), "0.bias")
    torch.testing.assert_close(normalised, torch.zeros_like(normalised), atol=1e-6, rtol=0)
