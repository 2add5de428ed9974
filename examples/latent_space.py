"""What do networks have in common? Learn a representation, see its latent space, draw networks."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from graphwsl.generators.latent import best, generate
from graphwsl.populations import Population, evaluate, split_models
from graphwsl.representations import Representation, make
from graphwsl.zoo import Recipe, train_zoo
from graphwsl.zoo.data_set import DataSet

NETWORKS, EPOCHS = 60, 3
SAMPLERS = ("kernel_density", "neighbourhood", "published_kde")


def main(networks: int = NETWORKS, epochs: int = EPOCHS) -> None:
    """Draw the latent space of the zoo, and how good rebuilt and generated networks are."""
    recipe = Recipe.resolve("digits_seed", seeds=networks, keep=[1, 2, 3, 5, 10])
    with TemporaryDirectory() as folder:
        zoo = train_zoo(recipe, Path(folder, "zoo"), workers=1).zoo
        population, data = Population.load(zoo), zoo.images()
    split = split_models(population.checkpoints)
    train, valid, test = (
        population.select(split.numbers(part, population.checkpoints))
        for part in ("train", "valid", "test")
    )
    model = make("graph_autoencoder", epochs=epochs)
    model.fit(train, valid, inputs=data.train[:500], progress=True)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    draw_latent_space(left, model, population)
    shown = {"original": trained(test), "rebuilt": model.reconstruct(trained(test))}
    shown |= {name: generated(name, model, trained(train)) for name in SAMPLERS}
    draw_accuracies(right, {name: accuracies(some, data) for name, some in shown.items()})
    figure.savefig("latent_space.png", dpi=150)
    print("see latent_space.png")


def trained(population: Population) -> Population:
    """Networks at the end of their training."""
    epochs = [checkpoint.epoch or 0 for checkpoint in population.checkpoints]
    return population.select([n for n, epoch in enumerate(epochs) if epoch == max(epochs)])


def accuracies(population: Population, data: DataSet) -> Tensor:
    """Share of test images that each network gets right."""
    return evaluate(population, data.test, data.test_labels).accuracy


def generated(sampler: str, model: Representation, train: Population) -> Population:
    """Networks that are drawn near the best 30 % of the training networks."""
    accuracy = torch.tensor([c.metrics["test_accuracy"] for c in train.checkpoints])
    latents = best(torch.stack(model.encode(train)), accuracy)
    (architecture,) = train.architectures
    (function,) = train.functions
    return generate(
        sampler, latents, lambda some: model.decode(some, architecture), function, count=40
    )


def draw_latent_space(axes: Axes, model: Representation, population: Population) -> None:
    """Two principal components of the embedding: trainings are lines, their networks dots."""
    embedding = model.embed(population)
    embedding = (embedding - embedding.mean(0)) / embedding.std(0).clamp(min=1e-6)
    plane = embedding @ torch.linalg.svd(embedding, full_matrices=False).Vh[:2].T
    names = [checkpoint.model for checkpoint in population.checkpoints]
    for name in dict.fromkeys(names):
        axes.plot(*plane[[n for n, own in enumerate(names) if own == name]].T, "0.85", zorder=0)
    colours = [checkpoint.metrics["test_accuracy"] for checkpoint in population.checkpoints]
    dots = axes.scatter(*plane.T, s=10, c=colours)
    axes.figure.colorbar(dots, ax=axes, label="test accuracy")
    axes.set(xlabel="first component", ylabel="second component", title="latent space")


def draw_accuracies(axes: Axes, found: dict[str, Tensor]) -> None:
    """A column of dots for each kind of networks."""
    generator = torch.Generator().manual_seed(0)
    for column, values in enumerate(found.values()):
        x = column + 0.3 * (torch.rand(len(values), generator=generator) - 0.5)
        axes.scatter(x, values, s=10, alpha=0.7)
    axes.set_xticks(range(len(found)), [name.replace("_", "\n") for name in found], fontsize=8)
    axes.set(ylabel="test accuracy", ylim=(0, 1), title="original, rebuilt and generated networks")


if __name__ == "__main__":
    main()
