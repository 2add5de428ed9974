"""How good rebuilt networks are, against the formula and against the networks run by hand."""

from typing import Any

import pytest
import torch

from graphwsl.errors import RepresentationError
from graphwsl.representations.checks import require_finite, require_inputs, require_parts
from graphwsl.representations.kinds import Kinds
from graphwsl.representations.quality import agreement, unexplained
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.representations.representation_cases import parts


def test_perfect_networks_are_explained_and_agree() -> None:
    own = parts("mixed")
    assert unexplained(own.test, own.test, own.train).tolist() == [0.0] * len(own.test)
    assert agreement(own.test, own.test, own.inputs).tolist() == [1.0] * len(own.test)


def test_agreement_is_the_share_of_samples_of_one_class() -> None:
    own = parts("mlp")
    first, second = own.test, own.train.select(range(len(own.test)))
    found = agreement(first, second, own.inputs)
    zoo: Any = MemoryZoo([MLP], 14)
    for number, share in enumerate(found.tolist()):
        classes = []
        for some in (first, second):
            checkpoint = some.checkpoints[number]
            module = zoo.module(checkpoint)
            module.load_state_dict(zoo.weights(checkpoint))
            classes.append(module(own.inputs).argmax(1))
        assert share == pytest.approx(float((classes[0] == classes[1]).float().mean()))
    torch.testing.assert_close(found, agreement(second, first, own.inputs))


def test_other_networks_are_no_reconstruction() -> None:
    own = parts("mlp")
    for call in (
        lambda: agreement(own.test, own.train, own.inputs),
        lambda: unexplained(own.test, own.train, own.train),
    ):
        with pytest.raises(RepresentationError, match="networks are no reconstruction of") as found:
            call()
        assert "\n" not in str(found.value)
    other = parts("cnn").train
    with pytest.raises(RepresentationError, match="no training network has the architecture"):
        unexplained(own.test, own.test, other)


def test_kinds_are_numbered_as_they_are_met_and_kept() -> None:
    own = parts("mixed")
    seen: list[Any] = []

    def know(architecture: Any) -> Any:
        seen.append(architecture.digest)
        return architecture

    kinds = Kinds(know, by_function=False)
    first = kinds.of(own.train)
    assert len(first) == len(own.train)
    assert sorted(set(first.tolist())) == [0, 1]
    assert int(first[0]) == 0
    assert torch.equal(first, kinds.of(own.train))
    for number, kind in zip(first.tolist(), own.train.kind.tolist(), strict=True):
        assert kinds.known[number].digest == own.train.architectures[kind].digest  # type: ignore[attr-defined]
    assert len(seen) == len(set(seen)) == 2


def test_parts_that_nothing_can_be_learnt_from_are_refused_in_one_line() -> None:
    own, other = parts("mlp"), parts("cnn")
    require_parts(own.train, own.valid)
    require_parts(own.train.select(range(2)), own.valid.select(range(1)))
    for train, valid, message in (
        (own.train.select(range(1)), own.valid, "got 1 and 6"),
        (own.train, own.valid.select(range(0)), "got 16 and 0"),
        (own.train, other.valid, "an architecture that no training network has"),
    ):
        with pytest.raises(RepresentationError, match=message) as caught:
            require_parts(train, valid)
        assert "\n" not in str(caught.value)


def test_no_networks_are_refused() -> None:
    with pytest.raises(RepresentationError, match="there are no networks; give at least one"):
        require_finite(parts("mlp").train.select(range(0)))


def test_inputs_that_networks_do_not_take_are_refused_in_one_line() -> None:
    own = parts("mlp")
    require_inputs("sane", 0.5, own.train, own.inputs)
    for inputs, message in (
        (None, r"'sane' compares what networks do \(structure=0.5\); give inputs"),
        (own.inputs[:0], "inputs must be at least one sample, and finite"),
        (own.inputs * float("nan"), "inputs must be at least one sample, and finite"),
        (own.inputs[..., :-1], "take samples of shape"),
    ):
        with pytest.raises(RepresentationError, match=message) as caught:
            require_inputs("sane", 0.5, own.train, inputs)
        assert "\n" not in str(caught.value)
