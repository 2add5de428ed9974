"""Networks from noise: train a zoo, fit a flow to it, judge what it makes beside what is free."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gnncore.figures import save_figure
from graphwsl.generators import make, scorecard
from graphwsl.generators.picture import draw
from graphwsl.populations import Population
from graphwsl.zoo import Recipe, train_zoo

NETWORKS, EPOCHS, HELD_OUT = 80, 250, 20


def main(networks: int = NETWORKS, epochs: int = EPOCHS) -> None:
    """Print the scorecard of networks that a flow made, and draw accuracy against novelty."""
    recipe = Recipe.resolve("digits_seed", seeds=networks + HELD_OUT, keep=(10,))
    with TemporaryDirectory() as folder:
        zoo = train_zoo(recipe, Path(folder, "zoo"), workers=1).zoo
        population, data = Population.load(zoo), zoo.images()
    train = population.select(range(networks))
    held_out = population.select(range(networks, len(population)))

    flow = make("equivariant_flow", held_out=0, epochs=epochs)
    flow.fit(train, progress=True)
    samples = flow.sample(50, generator=torch.Generator().manual_seed(0))
    card = scorecard(samples, train, held_out, data.test, data.test_labels, networks=50)
    print(card)
    save_figure(draw(card), Path("novelty.png"))
    print("see novelty.png")


if __name__ == "__main__":
    main()
