"""Conditioning changes running statistics only, to what torch gathers in one pass."""

import copy

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import GeneratorError
from graphwsl.generators.latent import condition_batch_norm
from graphwsl.populations import Function, Population, evaluate, unflat
from graphwsl.zoo.checkpoint import Checkpoint


class Network(nn.Module):
    """Batch norm of images and of features, dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.middle = nn.Linear(3 * 16, 5)
        self.features = nn.BatchNorm1d(5)
        self.last = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x))).flatten(1)
        return self.last(self.features(self.middle(self.drop(x))))


def population(count: int = 3) -> tuple[Population, list[nn.Module]]:
    modules = []
    for seed in range(count):
        torch.manual_seed(seed)
        module = Network().eval()
        module.norm.running_mean.normal_()
        module.norm.num_batches_tracked.fill_(7)
        modules.append(module)
    function = Function.of(Network().eval(), torch.zeros(1, 1, 6, 6), "network")
    graph = function.architecture.graph
    states = [graph.flat(module.state_dict(), dtype=torch.float32) for module in modules]
    checkpoints = [Checkpoint(str(n), None, {}, {}) for n in range(count)]
    return Population.alike(checkpoints, states, function), modules


def images(count: int = 50) -> Tensor:
    return 2 + 3 * torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_running_statistics_alone_change() -> None:
    before, _ = population()
    after = condition_batch_norm(before, images())
    for one, two in zip(before.states, after.states, strict=True):
        old, new = (unflat(state, before.architectures[0]) for state in (one, two))
        for name, values in old.items():
            changes = name.endswith(("running_mean", "running_var"))
            assert torch.equal(values, new[name]) != changes, name
    assert [c.model for c in after.checkpoints] == [c.model for c in before.checkpoints]
    assert torch.equal(torch.stack(population()[0].states), torch.stack(before.states))


def test_one_batch_gives_its_own_statistics() -> None:
    before, modules = population()
    x = images()
    after = condition_batch_norm(before, x)
    for module, state in zip(modules, after.states, strict=True):
        found = unflat(state, before.architectures[0])
        first = module.first(x)
        torch.testing.assert_close(found["norm.running_mean"], first.mean((0, 2, 3)))
        torch.testing.assert_close(found["norm.running_var"], first.var((0, 2, 3)))
        centred = (first - first.mean((0, 2, 3), keepdim=True)) / (
            first.var((0, 2, 3), correction=0, keepdim=True) + 1e-5
        ).sqrt()
        features = module.middle(torch.relu(centred).flatten(1))  # dropout rests
        torch.testing.assert_close(found["features.running_mean"], features.mean(0))
        torch.testing.assert_close(
            found["features.running_var"], features.var(0), rtol=1e-4, atol=1e-5
        )


def test_several_batches_count_alike() -> None:
    before, modules = population(1)
    x = images(51)
    found = unflat(condition_batch_norm(before, x, batch_size=20).states[0],
                   before.architectures[0])  # fmt: skip
    means = [modules[0].first(part).mean((0, 2, 3)) for part in x.tensor_split(3)]
    torch.testing.assert_close(found["norm.running_mean"], torch.stack(means).mean(0))


def test_statistics_that_were_spoilt_are_mended() -> None:
    before, modules = population(1)
    labels = modules[0](x := images(300)).argmax(1)
    healthy = condition_batch_norm(before, x)
    labels = evaluate(healthy, x, labels, outputs=True).outputs[0].argmax(1)
    state = unflat(healthy.states[0], before.architectures[0])
    spoilt = copy.deepcopy(state)
    spoilt["norm.running_var"] = torch.full((3,), 1e3)
    spoilt["features.running_mean"] = spoilt["features.running_mean"] + 10
    flat = before.architectures[0].graph.flat(spoilt, dtype=torch.float32)
    broken = Population.alike(before.checkpoints, [flat], before.functions[0])
    assert float(evaluate(broken, x, labels).accuracy) < 0.9
    assert float(evaluate(condition_batch_norm(broken, x), x, labels).accuracy) == 1


def test_inputs_by_name_and_mixed_populations() -> None:
    before, _ = population(2)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    function = Function.of(plain, torch.zeros(1, 1, 6, 6), "plain")
    state = function.architecture.graph.flat(dtype=torch.float32)
    other = Population.alike([Checkpoint("plain", None, {}, {})], [state], function)
    joined = Population.join([before, other])
    after = condition_batch_norm(joined, [images()])
    assert torch.equal(after.states[2], state)
    expected = condition_batch_norm(before, {"x": images()})
    assert torch.equal(torch.stack(after.states[:2]), torch.stack(expected.states))
    with pytest.raises(GeneratorError, match="no network has batch norms"):
        condition_batch_norm(other, images())


def test_what_cannot_condition_is_said() -> None:
    before, _ = population(1)
    with pytest.raises(GeneratorError, match=r"at least two inputs, got \[1\]"):
        condition_batch_norm(before, images(1))
    with pytest.raises(GeneratorError, match="finite inputs, and some are not"):
        condition_batch_norm(
            before, images(2) * torch.tensor([1.0, torch.nan])[:, None, None, None]
        )
    with pytest.raises(GeneratorError, match="'network' cannot be run on these inputs: "):
        condition_batch_norm(before, images()[:, :, :3])
