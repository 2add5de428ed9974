"""The scorecard: copies are found to be copies, averages to be collapsed, and others neither."""

import io
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from gnncore.storage import read_json
from graphwsl.errors import GeneratorError, GraphwslError, PredictorError
from graphwsl.generators import BASELINES, AlignedZoo, Scorecard, register_baseline, scorecard
from graphwsl.generators.diversity import EQUAL_ACCURACY, disagreement, dispersion
from graphwsl.generators.novelty import nearest_errors
from graphwsl.generators.picture import draw
from graphwsl.generators.table import COLUMNS as TITLES
from graphwsl.generators.table import print_table, verdict_lines
from graphwsl.populations import Function, Population, evaluate
from graphwsl.symmetries import symmetries
from graphwsl.zoo.checkpoint import Checkpoint
from tests.graphwsl.generators.generator_cases import Case, zoo_case

COLUMNS = (
    "accuracy_mean",
    "accuracy_best",
    "accuracy_worst",
    "dispersion",
    "disagreement",
    "nearest_distance",
    "nearest_error_overlap",
    "copy_statistic",
    "ensemble_accuracy",
)


def score(samples: Population, case: Case | None = None, **options: object) -> Scorecard:
    case = case or zoo_case()
    return scorecard(samples, *case.arguments, **{"baselines": (), **options})


@cache
def card() -> Scorecard:
    """Of independent networks, with all baselines."""
    return scorecard(zoo_case().others, *zoo_case().arguments, networks=24)


def rows(population: Population) -> Tensor:
    return torch.stack(population.states)


def moved(population: Population) -> Tensor:
    """Symmetric copies: the same functions, all weights elsewhere."""
    group = symmetries(population.architectures[0].graph)
    drawn = group.draw(len(population), torch.Generator().manual_seed(0))
    return group.entry_maps.apply(drawn, rows(population))


def test_independent_networks_are_neither_copies_nor_collapsed() -> None:
    found = card()
    assert found.is_copying is False
    assert found.is_collapsed is False
    assert abs(found.samples.copy_statistic) < 3
    assert found.samples.dispersion == pytest.approx(1, abs=0.15)
    assert found.samples.relative_disagreement == pytest.approx(1, abs=0.3)
    assert found.held_out.relative_distance == 1
    assert found.held_out.copy_statistic == 0


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("level", [0.0, 0.05])
def test_copies_are_found_wherever_their_weights_are(activation: str, level: float) -> None:
    case = zoo_case(activation)
    copies = rows(case.train.select(range(10)))
    noise = torch.randn(copies.shape, generator=torch.Generator().manual_seed(0))
    noisy = copies + level * copies.std() * noise
    elsewhere = moved(case.made(noisy))
    assert not torch.allclose(elsewhere, copies)
    found = score(case.made(elsewhere), case)
    assert found.is_copying is True
    assert found.is_collapsed is False
    assert found.samples.relative_distance < 0.05 + 3 * level
    if not level:
        assert found.samples.nearest_error_overlap > 0.99
        assert found.samples.nearest_distance < 1e-4


def test_an_average_of_all_is_collapsed_and_no_copy() -> None:
    case = zoo_case()
    aligned = AlignedZoo.of(case.train).rows
    mean = aligned.mean(dim=0).repeat(8, 1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    found = score(case.made(mean + 0.01 * aligned.std() * noise))
    assert found.is_collapsed is True
    assert found.is_copying is False
    assert found.samples.dispersion < 0.1


def test_a_single_network_cannot_be_called_collapsed_and_few_no_copies() -> None:
    case = zoo_case()
    one = score(case.train.select([0]))
    assert one.is_collapsed is None
    assert one.is_copying is None
    assert math.isnan(one.samples.dispersion)
    assert one.to_dict()["dispersion"] is None
    other = score(case.others.select([0]))
    assert other.is_copying is False


def test_every_row_has_every_column_and_json_takes_them(tmp_path: Path) -> None:
    values = card().to_dict()
    assert set(values["baselines"]) == set(BASELINES)
    for row in (values, values["train"], values["held_out"], *values["baselines"].values()):
        assert set(COLUMNS) <= set(row)
        assert {"is_collapsed", "is_copying"} <= set(row)
    for rule in ("is_collapsed", "is_copying"):
        assert isinstance(values["rules"][rule]["rule"], str)
        assert any(isinstance(limit, float) for limit in values["rules"][rule].values())
    json.dumps(values, allow_nan=False)
    card().save(tmp_path / "card.json")
    assert read_json(tmp_path / "card.json") == values
    text = str(card())
    assert all(name in text for name in (*BASELINES, "held_out", "is_copying: no"))
    assert len(draw(card()).axes[0].collections) == 2 * len(card().rows)


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_a_narrow_console_breaks_no_word_and_leaves_nothing_out(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_table(card(), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    assert all(title in words for title in " ".join(TITLES).split())
    parts = text.split("\n\n")
    assert (len(parts) == 1) == (width == 140)
    assert all(part.count(f"\n{name} ") == 1 for part in parts for name in card().rows)
    assert "collapsed" in words  # the average


def test_verdicts_put_numbers_beside_their_thresholds() -> None:
    case = zoo_case()
    copies = score(case.train).samples
    *_, collapsed, copying = verdict_lines(score(case.train))
    assert collapsed == (
        f"is_collapsed: no (dispersion {copies.dispersion:.2f} ≥ 0.5, "
        f"relative_disagreement {copies.relative_disagreement:.2f} ≥ 0.5)"
    )
    assert copying.startswith("is_copying: yes (relative_distance 0.00 < 0.5, copy_statistic -")
    *_, collapsed, copying = verdict_lines(score(case.train.select([0])))
    assert collapsed.startswith("is_collapsed: cannot be told (dispersion is not known, ")


def test_accuracies_are_those_of_evaluation() -> None:
    case = zoo_case()
    expected = evaluate(case.others, case.inputs, case.labels, outputs=True)
    found = card().samples
    torch.testing.assert_close(torch.tensor(found.accuracies), expected.accuracy)
    assert found.accuracy_mean == pytest.approx(float(expected.accuracy.mean()))
    assert found.accuracy_best == pytest.approx(float(expected.accuracy.max()))
    assert found.accuracy_worst == pytest.approx(float(expected.accuracy.min()))
    assert expected.outputs is not None
    mean = torch.stack(expected.outputs).softmax(2).mean(0).argmax(1)
    assert found.ensemble_accuracy == pytest.approx(float((mean == case.labels).float().mean()))


def test_baselines_are_what_their_names_say() -> None:
    found = card().baselines
    small, large = found["small_noise"], found["large_noise"]
    assert small.is_copying is True
    assert large.is_copying is True
    # A tenth of the deviation of weights, which is what parts networks, times the root of two.
    assert small.nearest_distance == pytest.approx(large.nearest_distance / 2, rel=0.1)
    assert found["average"].dispersion < found["interpolation"].dispersion < 1
    assert found["average"].is_collapsed is True
    assert found["gaussian"].dispersion == pytest.approx(1, abs=0.25)
    assert found["density"].accuracy_mean < found["small_noise"].accuracy_mean
    assert found["retrieval"].nearest_distance == 0
    assert found["retrieval"].nearest_error_overlap == 1
    assert found["retrieval"].networks == 10


def test_the_gaussian_has_the_covariance_of_the_zoo() -> None:
    from graphwsl.generators.baselines import Material

    zoo = AlignedZoo.of(zoo_case().train)
    material = Material(zoo, torch.zeros(1, dtype=torch.int64))
    made = BASELINES["gaussian"](material, 20_000, torch.Generator().manual_seed(0))
    some = slice(0, 40)
    spread = float(zoo.rows[:, some].var())
    torch.testing.assert_close(
        torch.cov(made[:, some].T), torch.cov(zoo.rows[:, some].T), rtol=0, atol=0.06 * spread
    )


def test_the_order_of_networks_does_not_matter() -> None:
    case = zoo_case()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0)).tolist()
    one = score(case.others).samples
    two = scorecard(case.others.select([*range(9, -1, -1)]), case.train.select(order),
                    *case.arguments[1:], baselines=()).samples  # fmt: skip
    assert two.nearest_distance == pytest.approx(one.nearest_distance, rel=1e-5)
    assert two.dispersion == pytest.approx(one.dispersion, rel=1e-5)
    assert two.disagreement == pytest.approx(one.disagreement, rel=1e-9)


def test_equal_seeds_give_equal_cards() -> None:
    values = [card().to_dict(), scorecard(zoo_case().others, *zoo_case().arguments,
                                          networks=24).to_dict()]  # fmt: skip
    for value in values:
        value.pop("seconds")
    assert values[0] == values[1]


def test_diversity_against_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 3, (9, 50), generator=generator)
    is_wrong = classes != torch.randint(0, 3, (50,), generator=generator)
    error = is_wrong.double().mean(1)
    pairs = [(i, j) for i in range(9) for j in range(i)
             if abs(float(error[i] - error[j])) <= EQUAL_ACCURACY + 1e-9]  # fmt: skip
    assert 0 < len(pairs) < 36
    differing = [float((classes[i] != classes[j]).double().mean()) for i, j in pairs]
    found = disagreement(classes, is_wrong)
    assert found.mean == pytest.approx(sum(differing) / len(pairs))
    errors = sum(float(error[i] + error[j]) / 2 for i, j in pairs)
    assert found.per_error == pytest.approx(sum(differing) / errors)
    points = torch.randn(7, 5, generator=generator)
    squares = torch.pdist(points).square().mean() / 2
    assert dispersion(points) == pytest.approx(float(squares.sqrt()), rel=1e-5)
    alike = disagreement(classes[:1].repeat(3, 1), torch.zeros(3, 50, dtype=torch.bool))
    assert alike.mean == 0
    assert math.isnan(alike.per_error)


def test_overlaps_of_errors_against_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.rand(6, 30, generator=generator) < 0.3
    theirs = torch.rand(5, 30, generator=generator) < 0.3
    ours[0], theirs[3] = False, False
    overlap, nearest = nearest_errors(ours, theirs)
    for own, value, where in zip(ours, overlap.tolist(), nearest.tolist(), strict=True):
        each = []
        for other in theirs:
            first, second = (
                set(own.nonzero().flatten().tolist()),
                set(other.nonzero().flatten().tolist()),
            )
            each.append(len(first & second) / len(first | second) if first | second else 1.0)
        assert value == pytest.approx(max(each))
        assert each[where] == max(each)


def test_networks_that_are_not_finite_are_counted_and_left_out() -> None:
    case = zoo_case()
    spoilt = rows(case.others).clone()
    spoilt[3, 0] = torch.nan
    found = score(case.made(spoilt))
    assert (found.samples.networks, found.samples.finite) == (10, 9)
    assert "1 of 10 samples are not finite" in str(found)
    kept = [n for n in range(10) if n != 3]
    alone = score(case.others.select(kept)).samples
    assert found.samples.accuracy_mean == pytest.approx(alone.accuracy_mean)
    assert found.samples.nearest_distance == pytest.approx(alone.nearest_distance)
    with pytest.raises(GeneratorError, match="no network of samples is finite"):
        score(case.made(spoilt[3:4]))
    with pytest.raises(GeneratorError, match="'made-00003', epoch None, are not finite; leave"):
        scorecard(case.others, case.made(spoilt), *case.arguments[1:])


def test_networks_too_large_for_distances_are_left_out() -> None:
    case = zoo_case()
    large = rows(case.others).clone()
    large[3] *= 1e25
    found = score(case.made(large))
    assert (found.samples.networks, found.samples.finite) == (10, 9)
    assert math.isfinite(found.to_dict()["copy_statistic"])
    with pytest.raises(GeneratorError, match="whose squares single precision does not hold"):
        scorecard(case.others, case.made(large), *case.arguments[1:])


def test_tuning_makes_networks_better_and_is_that_of_the_zoo() -> None:
    case = zoo_case()
    weak = rows(case.others)[:4] + 0.3 * torch.randn(
        4, case.function.architecture.num_entries, generator=torch.Generator().manual_seed(0)
    )
    found = score(case.made(weak), tuning_epochs=(1, 3), data=case.data, tuned_networks=4)
    tuned = found.samples.tuned_accuracy
    assert list(tuned) == list(found.scratch) == [1, 3]
    assert tuned[3] > found.samples.accuracy_mean + 0.05
    assert found.held_out.tuned_accuracy[1] > found.scratch[1]
    assert found.to_dict()["tuned_accuracy"] == {"1": tuned[1], "3": tuned[3]}
    assert found.to_dict()["scratch"]["tuned_accuracy"]["3"] == found.scratch[3]
    assert "+3" in str(found)


def test_baselines_of_ones_own() -> None:
    @register_baseline("zeros_of_a_test")
    def zeros(material: object, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, zoo_case().function.architecture.num_entries)

    try:
        found = score(zoo_case().others, baselines=["zeros_of_a_test"], networks=3)
        assert found.baselines["zeros_of_a_test"].is_collapsed is True
    finally:
        del BASELINES["zeros_of_a_test"]


def other_function(activation: str) -> Population:
    layers = torch.nn.Flatten(), torch.nn.Linear(64, 8), activation
    model = torch.nn.Sequential(*layers[:2], getattr(torch.nn, activation)(),
                                torch.nn.Linear(8, 10))  # fmt: skip
    function = Function.of(model.eval(), torch.zeros(1, 1, 8, 8), "other")
    state = function.architecture.graph.flat(dtype=torch.float32)
    return Population.alike([Checkpoint("other", None, {}, {})], [state], function)


def test_what_cannot_be_scored_is_said_in_one_line() -> None:
    case = zoo_case()
    both = Population.join([other_function("Tanh"), other_function("ReLU")])
    relu = zoo_case("relu").others
    bad: list[tuple[tuple[object, ...], dict[str, object], str]] = [
        ((other_function("Tanh"), *case.arguments), {}, "do not do what those of train do"),
        ((relu, *case.arguments), {}, "samples .* do not do what those of train do"),
        ((both, *case.arguments), {}, "those of samples have 2"),
        ((case.others.select([]), *case.arguments), {}, "samples has no networks"),
        ((case.others, case.train.select([0]), *case.arguments[1:]), {}, "at least two"),
        ((case.others, case.train, case.held_out.select([]), *case.arguments[2:]), {}, "held_out"),
        ((case.others, *case.arguments), {"baselines": ["averige"]}, "did you mean 'average'"),
        ((case.others, *case.arguments), {"networks": 1}, "networks must be at least 2"),
        ((case.others, *case.arguments), {"tuning_epochs": [1]}, "give data"),
        ((case.others, *case.arguments), {"tuning_epochs": [0], "data": case.data}, "at least 1"),
    ]
    for given, options, message in bad:
        with pytest.raises(GraphwslError, match=message) as caught:
            scorecard(*given, **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(PredictorError, match="labels"):
        scorecard(case.others, *case.arguments[:3], case.labels[1:])


def test_what_was_asked_for_stands_beside_what_is_reached() -> None:
    case = zoo_case()
    assert card().reached == {}
    result = evaluate(case.others, case.inputs, case.labels, outputs=True)
    assert result.outputs is not None
    losses = [torch.nn.functional.cross_entropy(one, case.labels) for one in result.outputs]
    wanted = [0.1 * number for number in range(len(case.others))]
    asked = [
        replace(one, configuration={"asked_test_accuracy": own, "asked_test_loss": 1, "asked_x": 2})
        for one, own in zip(case.others.checkpoints, wanted, strict=True)
    ]
    found = score(replace(case.others, checkpoints=asked))
    accuracy = found.to_dict()["reached"]["test_accuracy"]
    error = (result.accuracy - torch.tensor(wanted)).abs().mean()
    assert accuracy == {
        "asked": pytest.approx(0.45),
        "reached": pytest.approx(float(result.accuracy.mean())),
        "mean_absolute_error": pytest.approx(float(error)),
    }
    loss = found.reached["test_loss"]
    assert loss.asked == 1
    assert loss.reached == pytest.approx(float(sum(losses)) / len(losses))
    assert list(found.reached) == ["test_accuracy", "test_loss"]
    assert f"test_accuracy: {result.accuracy.mean():.3f} on average, asked for 0.450" in str(found)
