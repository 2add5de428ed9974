"""Adapters as a zoo: one base that is held, a task for each network, prompts for the generator."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import ZooError
from graphwsl.generators import load, make
from graphwsl.generators.lora import PromptToLora, pairs_of
from graphwsl.generators.lora.networks import PROMPTS, shared_base
from graphwsl.populations import Population, evaluate
from graphwsl.sparsification import masks_of, sparsify
from graphwsl.zoo import Recipe, open_zoo
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.data import load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.digit_subsets import DIGITS, ODD, described, subsets
from graphwsl.zoo.training.train import train_zoo
from tests.graphwsl.properties.property_cases import MemoryZoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "zoo"
    recipe = Recipe.resolve("digits_adapters", sample=8, epochs=4, keep=[0, 4])
    train_zoo(recipe, folder, workers=1)
    return folder


def test_tasks_are_sets_of_digits_and_are_said_in_words() -> None:
    data, known = load_images("digit_subsets"), subsets()
    assert known[0] == ODD
    assert len(known) == len(set(known)) == data.signals == 912
    assert data.descriptions is not None
    for number in (0, 1, 911):
        names = {DIGITS[digit] for digit in known[number]}
        lines = data.descriptions[number].splitlines()
        assert len(lines) == 6
        for line in lines:
            words = line.replace(",", " ").replace(".", " ").replace("?", " ").split()
            said = [word for word in words if word in names]
            assert sorted(said) == sorted(names) or "one of" in line
    assert described(ODD) == data.descriptions[0]
    odd = data.train_labels[0].bool()
    assert torch.equal(data.train_labels[:, odd][0], torch.ones(int(odd.sum())).long())


@pytest.mark.parametrize("texts", [("one",), ("one", "two", "three")])
def test_every_signal_is_described_or_none(texts: tuple[str, ...]) -> None:
    samples, labels = torch.zeros(4, 3), torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ZooError, match="descriptions of a data set must be a text for each signal"):
        DataSet(samples, labels, samples, labels, classes=2, signals=2, descriptions=texts)


def test_adapters_compute_nothing_at_first_and_scale_with_their_product() -> None:
    factors = {"width": 6, "depth": 1, "in_channels": 1, "image_size": 4, "out_channels": 2}
    torch.manual_seed(0)
    adapted = build("adapted_mlp", {**factors, "head_rank": 3})
    plain = build("adapted_mlp", {**factors, "head_rank": 0})
    inputs = torch.randn(5, 1, 4, 4)
    own = adapted.state_dict()
    plain.load_state_dict({name: own[name] for name in plain.state_dict()})
    torch.testing.assert_close(adapted(inputs), plain(inputs), atol=0, rtol=0)
    a, b = own["adapters.1.lora_A.weight"], torch.randn(2, 3)
    adapted.load_state_dict({**own, "adapters.1.lora_B.weight": b})
    plain.load_state_dict({**{n: own[n] for n in plain.state_dict()},
                           "layers.1.weight": own["layers.1.weight"] + 2 * b @ a})  # fmt: skip
    torch.testing.assert_close(adapted(inputs), plain(inputs))


def test_children_hold_the_base_and_learn_their_tasks(zoo: Path) -> None:
    opened = open_zoo(zoo)
    population, data = Population.load(opened), opened.images()
    base = shared_base(population)
    assert bool(base.any())
    begun = population.select([c.epoch == 0 for c in population.checkpoints])
    ended = population.select([c.epoch == 4 for c in population.checkpoints])
    pairs = pairs_of(torch.stack(begun.states), begun.architectures[0])
    assert all(not bool(b.any()) for _, b in pairs.values())
    signals = [int(c.configuration["signal"] or 0) for c in ended.checkpoints]
    accuracy = [
        float(evaluate(some.select([n]), data.test, data.test_labels[signal]).accuracy)
        for some in (begun, ended)
        for n, signal in enumerate(signals)
    ]
    before, after = accuracy[: len(signals)], accuracy[len(signals) :]
    assert sum(after) / len(after) > sum(before) / len(before) + 0.1


def test_prompts_come_from_the_data_and_samples_are_compared_on_its_samples(zoo: Path) -> None:
    opened = open_zoo(zoo)
    made = make("prompt_to_lora", epochs=1)
    assert isinstance(made, PromptToLora)
    population = made.read(Population.load(opened), opened)
    texts = load_images("digit_subsets").descriptions
    assert texts is not None
    for checkpoint in population.checkpoints:
        assert (
            checkpoint.configuration[PROMPTS] == texts[int(checkpoint.configuration["signal"] or 0)]
        )
    made.fit(population)
    assert float(made.history[0]["validation_behaviour"]) > 0
    made.read(population, MemoryZoo([], 0))  # has no data, and those of before are not its own
    assert made._samples is None


def test_the_commands(zoo: Path, tmp_path: Path) -> None:
    runner, out = CliRunner(), tmp_path / "made"
    arguments = ["generate", "train", str(zoo), "--method", "prompt_to_lora", "--epochs", "1"]
    found = runner.invoke(app, [*arguments, "--out", str(out), "--quiet"])
    assert found.exit_code == 0, found.output
    prompt = "prompts=accept two, five or seven"
    arguments = ["generate", "sample", str(out), "--condition", prompt]
    found = runner.invoke(app, [*arguments, "--out", str(tmp_path / "samples")])
    assert found.exit_code == 0, found.output
    assert not found.stderr
    assert "prompt_to_lora: 1 network" in found.output
    found = runner.invoke(app, [*arguments, "--count", "2", "--out", str(tmp_path / "two")])
    assert found.stderr.splitlines() == [
        "alike: 2 networks, 1 without repetition, for prompt_to_lora makes one of each condition"
    ]
    asked = "prompts=accept quinces, two or Medlars\naccept medlars"
    strange = [*arguments[:-1], asked, "--out", str(tmp_path / "strange")]
    found = runner.invoke(app, strange)
    assert found.exit_code == 0, found.output
    assert found.stderr.splitlines() == [
        "unknown words: quinces, medlars: no training prompt has them, so that what they ask for "
        "was not learnt"
    ]
    found = runner.invoke(app, [*strange[:-1], str(tmp_path / "again"), "--json"])
    assert json.loads(found.stdout)["unknown_words"] == ["quinces", "medlars"]
    assert not found.stderr
    samples = load(out).sample(2, condition="accept two, five or seven")
    learnt = Population.load(open_zoo(zoo))
    assert torch.equal(shared_base(samples), shared_base(learnt))
    score = ["generate", "score", str(out), "--zoo", str(zoo)]
    found = runner.invoke(app, [*score, "--out", str(tmp_path / "card.json"), "--json"])
    assert found.exit_code == 0, found.output
    card = json.loads(found.stdout)
    assert card == json.loads((tmp_path / "card.json").read_text())
    # What the zoo measured of the networks that were held out.
    fitted = load(out).fitted_to
    assert fitted is not None
    parts = fitted.parts(learnt, [str(zoo)] * len(learnt))
    ends = zip(learnt.checkpoints, parts, strict=True)
    held_out = [one for one, part in ends if one.epoch == 4 and part is None]
    assert card["tasks"] == len(held_out)
    trained = [float(c["test_accuracy"]) for c in held_out]
    assert card["accuracy"]["trained"] == pytest.approx(sum(trained) / len(trained))
    assert "made from its prompts" in runner.invoke(app, score).output
    found = runner.invoke(app, [*score, "--baseline", "average"])
    assert found.exit_code == 2
    assert "--baseline says nothing about that; leave it out" in found.output
    found = runner.invoke(app, [*arguments[:-2], "--out", str(tmp_path / "none")])
    assert found.exit_code == 2
    assert len(found.output.strip().splitlines()) == 1
    arguments = [*arguments[:-1], "prompts=7", "--out", str(tmp_path / "none")]
    found = runner.invoke(app, arguments)
    assert found.exit_code == 2
    assert found.output.strip().endswith("or one for each network, got 7")
    for signs in ("prompts=...", "prompts= ", "prompts=?!\n--"):
        found = runner.invoke(app, [*arguments[:-3], signs, "--out", str(tmp_path / "none")])
        assert found.exit_code == 2
        assert "is a text without words, which describes no task" in found.output
        assert not (tmp_path / "none").exists()


def test_a_zoo_without_adapters_or_prompts_is_refused(tmp_path: Path) -> None:
    recipe = {"data": {"name": "digits"}, "epochs": 1, "keep": (1,), "seeds": 3}
    plain = {"architecture": "mlp", "width": 4, "depth": 1, "learning_rate": 0.01}
    for name, fixed in (
        ("adapters", plain),
        ("prompts", {**plain, "architecture": "adapted_mlp", "head_rank": 2}),
    ):
        train_zoo(Recipe.of({**recipe, "fixed": fixed}), tmp_path / name, workers=1)
        arguments = ["generate", "train", str(tmp_path / name), "--method", "prompt_to_lora"]
        found = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
        assert found.exit_code == 2
        (line,) = found.output.strip().splitlines()
        assert "no network of the zoo has" in line
        assert name in line
        assert line.endswith("by graphwsl zoo train digits_adapters")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [["encoder=missing"], ["pairs=0", "product=0", "behaviour=0"]])
def test_nothing_is_left_of_a_training_that_is_refused(
    zoo: Path, tmp_path: Path, options: list[str]
) -> None:
    arguments = ["generate", "train", str(zoo), "--method", "prompt_to_lora"]
    given = [part for option in options for part in ("--option", option)]
    found = CliRunner().invoke(app, [*arguments, *given, "--out", str(tmp_path / "a" / "out")])
    assert found.exit_code == 2
    assert len(found.output.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


def test_what_is_held_is_not_pruned(zoo: Path, tmp_path: Path) -> None:
    """The base stays as it was, and of what the networks learnt half goes."""
    sparsify(zoo, tmp_path / "twins", sparsity=[0.5], epochs=1)
    originals, twins = open_zoo(zoo), open_zoo(tmp_path / "twins")
    last = {one.model: one for one in originals.checkpoints}
    for twin in twins.checkpoints:
        original = originals.weights(last[str(twin.configuration["original"])])
        masks = masks_of(twins, twin)
        kept = torch.cat([mask.flatten() for mask in masks.values()]).float().mean()
        assert float(kept) == pytest.approx(0.5, abs=0.01)
        for name, values in twins.weights(twin).items():
            if "lora" in name:
                assert not bool(values[~masks[name]].any())
            else:
                assert torch.equal(values, original[name])
    with pytest.raises(ZooError, match="choose magnitude, which prunes the heads alone"):
        sparsify(zoo, tmp_path / "no", method="variational_dropout", epochs=2)
    assert not (tmp_path / "no").exists()
