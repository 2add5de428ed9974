"""Accuracy against novelty: a good generator is at the top and to the right."""

import math

from matplotlib.figure import Figure

from graphwsl.generators.card import Scorecard

COLOURS = {"samples": "#c8553d", "held_out": "#264653", "train": "#8d99ae"}
"""Colours of the rows that every card has."""
OTHERS = ("#2a9d8f", "#e9c46a", "#8338ec", "#3a86ff", "#6a994e", "#bc4749", "#9c6644", "#577590")
"""Colours of the baselines, one after the other."""
MARKERS = ("s", "^", "v", "D", "P", "X", "<", ">")


def draw(card: Scorecard) -> Figure:
    """A figure of a card.

    Every finite network of the samples, the held-out ones and the baselines is a small dot, the
    mean of each row a large mark. To the right is the distance to the nearest training network,
    over the median of held-out networks; training networks are at 0 themselves.
    """
    figure = Figure(figsize=(7.5, 5))
    axes = figure.add_axes((0.1, 0.12, 0.58, 0.82))
    unit = _unit(card)
    for number, (name, score) in enumerate(card.rows.items()):
        colour = COLOURS.get(name, OTHERS[number % len(OTHERS)])
        marker = "o" if name in COLOURS else MARKERS[number % len(MARKERS)]
        distances = score.distances or (0.0,) * len(score.accuracies)
        x = [distance / unit for distance in distances]
        y = [100 * accuracy for accuracy in score.accuracies]
        axes.scatter(x, y, s=4, color=colour, alpha=0.25, linewidths=0, zorder=1)
        size = 110 if name == "samples" else 55
        label = name.replace("_", " ")
        axes.scatter(
            [sum(x) / len(x)],
            [sum(y) / len(y)],
            s=size,
            color=colour,
            marker=marker,
            label=label,
            edgecolors="white",
            zorder=4 if name == "samples" else 3,
        )
    axes.axvline(1.0, color="#b8c0cc", linewidth=0.8, zorder=0)
    axes.set_xlabel("distance to the nearest training network (held out: 1)")
    axes.set_ylabel("accuracy [%]")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=8)
    return figure


def _unit(card: Scorecard) -> float:
    """The median distance of held-out networks, 1 where that is 0."""
    known = sorted(card.held_out.distances)
    middle = len(known) // 2
    median = (known[middle] + known[-middle - 1]) / 2
    return median if median > 0 and math.isfinite(median) else 1.0
