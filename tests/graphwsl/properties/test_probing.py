"""The predictor that runs networks: its responses are theirs, whatever their functions."""

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from graphwsl.errors import PredictorError
from graphwsl.populations import Population, split_models
from graphwsl.properties import evaluate, make_predictor
from graphwsl.properties.predictors.probing import ProbingPredictor
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

FUNCTIONS = [
    {**MLP, "image_size": 8, "activation": "relu"},
    {**MLP, "image_size": 8, "activation": "tanh"},
    {**SMALL_CNN, "activation": "relu"},
]


def fitted(epochs: int) -> tuple[MemoryZoo, Population, ProbingPredictor]:
    zoo = MemoryZoo(FUNCTIONS, 60)
    population = Population.load(zoo)
    predictor = make_predictor("probing", epochs=epochs, probes=6, learning_rate=5e-3)
    predictor.fit(population, split_models(population.checkpoints), "size", seed=1)
    assert isinstance(predictor, ProbingPredictor)
    return zoo, population, predictor


def test_responses_are_those_of_the_networks() -> None:
    zoo, population, predictor = fitted(epochs=1)
    assert len(population.functions) == 3
    assert len(population.architectures) == 2  # activation functions are no part of them
    network = predictor.network
    for index, checkpoint in enumerate(population.checkpoints[:6]):
        module, state = zoo.module(checkpoint), zoo.weights(checkpoint)
        expected = functional_call(module, state, (network.probes,)).flatten()
        respondent = network.respondents[int(population.function[index])]
        found = respondent(population.states[index][None], network.probes)[0]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_learns_from_networks_of_several_functions() -> None:
    _, population, predictor = fitted(epochs=20)
    assert predictor.split is not None
    members = population.select(predictor.split.numbers("test", population.checkpoints))
    prediction, target = predictor.predict(members), predictor.target
    assert target is not None
    assert evaluate(prediction, target.values(members.checkpoints), target)["r2"] > 0.6


def test_refuses_what_it_cannot_run() -> None:
    _, _, predictor = fitted(epochs=1)
    with pytest.raises(PredictorError, match=r"inputs of shape \(1, 8, 8\), got .* \(1, 3, 3\)"):
        predictor.predict(Population.load(MemoryZoo([MLP], 2)))
    population = Population.load(MemoryZoo([SMALL_CNN], 8))
    texts = [replace(population.functions[0], inputs=torch.zeros(1, 5, dtype=torch.int64))]
    words = replace(population, functions=texts)
    with pytest.raises(PredictorError, match="'cnn' are not one tensor of numbers; choose"):
        make_predictor("probing").fit(words, split_models(words.checkpoints), "size")


def test_settings_without_parameters_distinguish_functions() -> None:
    transformer = {"architecture": "vit", "image_size": 8, "patch_size": 4, "width": 8, "depth": 1}
    zoo = MemoryZoo([{**transformer, "heads": 2}, {**transformer, "heads": 4}], 4)
    population = Population.load(zoo)
    assert len(population.functions) == 2
    assert len(population.architectures) == 2  # heads are permuted as wholes
