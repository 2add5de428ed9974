"""Streams of numbers depend on their keys alone; labels and their noise on the network's own."""

import pytest
import torch
from scipy.stats import binomtest, chisquare
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.labels import labels_of, require_labels, with_noise
from graphwsl.zoo.training.streams import drawing_from, stream

SAMPLES, CLASSES = 3000, 4


def test_streams_of_all_keys_are_different() -> None:
    purposes = ("initialisation", "subset", "order", "dropout", "label_noise")
    drawn = {
        tuple(torch.rand(4, generator=stream(seed, purpose, epoch)).tolist())  # type: ignore[arg-type]
        for seed in (0, 1, 2**62)
        for purpose in purposes
        for epoch in (0, 1, 2)
    }
    assert len(drawn) == 3 * 5 * 3
    first, again = (torch.rand(4, generator=stream(7, "order", 3)) for _ in range(2))
    assert torch.equal(first, again)


def test_what_draws_from_a_stream_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with drawing_from(stream(1, "dropout")):
        within = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(within, torch.rand(3, generator=stream(1, "dropout")))


def data(signals: int | None = None, *, classes: int | None = CLASSES) -> DataSet:
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(SAMPLES, 1, 1, 1)
    shape = (SAMPLES,) if signals is None else (signals, SAMPLES)
    if classes is None:
        y: Tensor = torch.randn(*shape, 2, generator=generator)
    else:
        y = torch.randint(0, classes, shape, generator=generator)
    return DataSet(x, y, x, y, classes=classes, signals=signals)


def test_each_network_learns_its_signal() -> None:
    own = data(3)
    found = labels_of(own.train_labels, own, [{"signal": 2}, {}, {"signal": 1}, {"signal": None}])
    assert torch.equal(found, own.train_labels[[2, 0, 1, 0]])
    plain = data()
    found = labels_of(plain.train_labels, plain, [{"seed": 1}, {"seed": 2}])
    assert torch.equal(found, plain.train_labels.expand(2, -1))


def test_noise_is_a_share_of_other_classes_drawn_evenly() -> None:
    plain = data()
    shares = (0.5, None, 1.0, 0.0001)
    configurations = [{"seed": n, "label_noise": share} for n, share in enumerate(shares)]
    labels = labels_of(plain.train_labels, plain, configurations)
    found = with_noise(labels, plain, configurations)
    changed = found != labels
    assert changed.sum(1).tolist() == [SAMPLES // 2, 0, SAMPLES, 0]
    assert found.min() >= 0
    assert found.max() < CLASSES
    assert torch.equal(labels, plain.train_labels.expand(4, -1))  # not in place
    shifts = ((found - labels) % CLASSES)[2].bincount(minlength=CLASSES)[1:]
    assert chisquare(shifts.numpy()).pvalue > 1e-3
    # Whether a label changes says nothing about where it is: half of the first half does.
    count = int(changed[0][: SAMPLES // 2].sum())
    assert binomtest(count, SAMPLES // 2).pvalue > 1e-3


def test_noise_is_that_of_the_seed_whoever_trains_beside() -> None:
    plain = data()
    one, two = {"seed": 1, "label_noise": 0.3}, {"seed": 2, "label_noise": 0.3}
    together = with_noise(labels_of(plain.train_labels, plain, [one, two]), plain, [one, two])
    alone = with_noise(labels_of(plain.train_labels, plain, [two]), plain, [two])
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])
    still = labels_of(plain.train_labels, plain, [{"seed": 1}])
    assert with_noise(still, plain, [{"seed": 1}]) is still


def test_labels_must_be_what_the_factors_ask_for() -> None:
    require_labels([{"signal": 2, "label_noise": 0.1}, {}], data(3))
    require_labels([{}], data(classes=None))
    for own, factors, message in (
        (data(), {"signal": 0}, "no signal 0: the data have one signal, counted from 0"),
        (data(3), {"signal": 3}, "no signal 3: the data have 3 signals"),
        (data(classes=None), {"label_noise": 0.1}, "one of several classes a sample"),
        (data(classes=1), {"label_noise": 0.1}, "one of several classes a sample"),
    ):
        with pytest.raises(ZooError, match=message):
            require_labels([{}, factors], own)
