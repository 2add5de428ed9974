"""How good is a network? Its weights tell: train a zoo, fit a predictor, compare with the truth."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt

from graphwsl.populations import Population, split_models
from graphwsl.properties import evaluate, make_predictor
from graphwsl.zoo import Recipe, train_zoo

NETWORKS, EPOCHS = 60, 25


def main(networks: int = NETWORKS, epochs: int = EPOCHS) -> None:
    """Print R² and Kendall's τ on networks that were never seen, and draw them."""
    recipe = Recipe.resolve("digits_hyperparameters", sample=networks)
    with TemporaryDirectory() as folder:
        zoo = train_zoo(recipe, Path(folder, "zoo"), workers=1).zoo
        population = Population.load(zoo)
    split = split_models(population.checkpoints)
    test = population.select(split.numbers("test", population.checkpoints))

    predictor = make_predictor("forward_propagation", epochs=epochs)
    predictor.fit(population, split, "test_accuracy", progress=True)
    assert predictor.target is not None
    truth, prediction = predictor.target.values(test.checkpoints), predictor.predict(test)
    found = evaluate(prediction, truth, predictor.target)
    print(f"{len(test)} checkpoints: R² {found['r2']:.3f}, Kendall τ {found['kendall_tau']:.3f}")

    figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7")
    axes.scatter(truth, prediction, s=8, c=[c.epoch for c in test.checkpoints])
    axes.set(xlabel="test accuracy", ylabel="predicted from the weights", aspect="equal")
    figure.savefig("accuracy.png", dpi=150)
    print("see accuracy.png")


if __name__ == "__main__":
    main()
