"""What a zoo is made of: a frozen recipe, shipped by name or from a TOML file."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, create_model, model_validator

from gnncore.configuration import Configuration, given
from gnncore.names import unknown
from graphwsl import arguments
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.architecture import FACTOR_TYPES
from graphwsl.zoo.architectures.registry import ARCHITECTURES, LARGEST
from graphwsl.zoo.checkpoint import Scalar

FOLDER = files("graphwsl.zoo") / "recipes"

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=10**6)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Pixels = Annotated[int, Field(ge=1, le=LARGEST["image_size"])]


class Data(Configuration):
    """The samples and their labels.

    Attributes:
        name: ``digits``, ``mnist_5000``, ``cluttered_digits`` or a variant of them such as
            ``digits_inverted``, the path of an ``.npz`` file, or registered data.
        image_size: Height and width that the images are enlarged and padded to.
        in_channels: Channels that images of one channel are repeated to.
    """

    error_class = ZooError

    name: str
    image_size: Pixels | None = None
    in_channels: Pixels | None = None


class Factors(Configuration):
    """The generating factors of one network, all that its training depends on but the data.

    :func:`factors_model` adds those that architectures were registered with, such as ``width`` and
    ``depth``.

    Attributes:
        architecture: Its name.
        seed: Seed of the initial weights, the subset, the order of the data and dropout.
        activation: Name of the activation.
        initialisation: How the weights begin.
        optimiser: ``adam``, ``adamw`` or ``sgd``, the last with momentum 0.9.
        learning_rate: Constant throughout.
        weight_decay: L2 regularisation as part of the gradient; with ``adamw`` apart from it.
        dropout: Share of values that is dropped.
        data_fraction: Share of the training samples that the network sees.
        label_noise: Share of those whose class is replaced by another one, drawn evenly.
        batch_size: Samples a step; None is that of the recipe.
        signal: Which of the signals of the data the network represents.
        objective: What it learns by, a name among
            :data:`graphwsl.zoo.training.objectives.OBJECTIVES`; None learns the labels, as
            ``labels`` does.
        frozen: Whether all but its head stays as its parent has it; None is false.
        parent: The network of the pretraining that it begins with; sweeps set it.
    """

    error_class = ZooError
    key_word = "factor"

    architecture: str
    seed: Seed = 0
    activation: str = "tanh"
    initialisation: str = "kaiming_uniform"
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    data_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    label_noise: Annotated[float, Field(ge=0, le=1)] | None = None
    batch_size: Count | None = None
    signal: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    objective: str | None = None
    frozen: bool | None = None
    parent: str | None = None


def factors_model() -> type[Factors]:
    """The generating factors with those of all architectures that are registered by now."""
    return _with_own(tuple(FACTOR_TYPES.items()))


@cache  # a zoo asks for every network, and a model takes milliseconds to make
def _with_own(kinds: tuple[tuple[str, Any], ...]) -> type[Factors]:
    own: dict[str, Any] = {name: (kind | None, None) for name, kind in kinds}
    return cast(type[Factors], create_model("Factors", __base__=Factors, **own))


class Recipe(Configuration):
    """A population: every combination of the ``grid``, or a sample of them, with ``fixed`` factors.

    Attributes:
        data: The samples and their labels.
        epochs: Passes over the training samples.
        batch_size: Samples a step, unless it is a factor; the last step of an epoch takes what is
            left.
        keep: The epochs whose weights and metrics are kept, 0 being the initialisation, or
            ``every`` one from 0.
        seeds: Networks of each combination, with the seeds 1, 2, … .
        sample: Train so many rows of the grid, drawn at random; None trains all.
        sample_seed: Seed of that draw.
        fixed: Generating factors of all networks.
        grid: Lists of generating factors.
        pretraining: The recipe of other networks, each of which is the parent of a population of
            its own: of every combination of the grid, which begins with the parent's weights but
            for its head. None lets all networks begin anew.
    """

    error_class = ZooError
    file_title = "recipe"

    data: Data
    epochs: Count
    batch_size: Count = 32
    keep: Literal["every"] | tuple[Annotated[int, Field(ge=0)], ...] = "every"
    seeds: Count | None = None
    sample: Count | None = None
    sample_seed: Seed = 0
    fixed: dict[str, Scalar] = Field(default_factory=dict)
    grid: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    pretraining: "Recipe | None" = None

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        twice = sorted(self.fixed.keys() & self.grid.keys())
        if twice:
            raise ValueError(f"{twice[0]!r} is both fixed and in the grid; remove one of them")
        if self.seeds is not None and "seed" in {**self.fixed, **self.grid}:
            raise ValueError("'seed' and 'seeds' exclude each other; remove one of them")
        empty = [name for name, values in self.grid.items() if not values]
        if empty:
            raise ValueError(f"the grid of {empty[0]!r} is empty; give it values or remove it")
        late = [epoch for epoch in self.kept if epoch > self.epochs]
        if late or not self.kept:
            raise ValueError(
                f"keep must name epochs from 0 to {self.epochs}, got {list(self.kept)}; set keep "
                "(--keep) to such epochs or to every"
            )
        return self

    @model_validator(mode="after")
    def _in_stages(self) -> "Recipe":
        factors, parents = {**self.fixed, **self.grid}, self.pretraining
        if "parent" in factors:
            raise ValueError("'parent' is one of each network of [pretraining]; remove it")
        if parents is None:
            if "frozen" in factors:
                raise ValueError("'frozen' needs [pretraining], whose networks it holds; remove it")
            return self
        if parents.pretraining is not None:
            raise ValueError("a pretraining has none of its own; remove it")
        if parents.kept[-1] != parents.epochs:
            raise ValueError(
                f"pretraining.keep must name its last epoch {parents.epochs}, with which others "
                f"begin, got {list(parents.kept)}"
            )
        return self

    @property
    def kept(self) -> tuple[int, ...]:
        """The epochs that are kept, in order."""
        if self.keep == "every":
            return tuple(range(self.epochs + 1))
        return tuple(sorted(set(self.keep)))

    @classmethod
    def names(cls) -> list[str]:
        """The recipes that come with the package."""
        return sorted(Path(file.name).stem for file in FOLDER.iterdir() if ".toml" in file.name)

    @classmethod
    def resolve(cls, source: str | Path, **options: Any) -> "Recipe":
        """The recipe of a name or TOML file, with every option that is not None in its place.

        Args:
            source: A name among :meth:`names`, or a file that ends in ``.toml``.
            **options: Fields of the recipe.

        Raises:
            ZooError: No such recipe, a file that cannot be read, an unknown key, or a value
                outside its range.
        """
        values = cls._read(str(arguments.as_path("source", source))) | given(options)
        factors = [*values.get("fixed", ()), *values.get("grid", ())]
        if "batch_size" in values and "batch_size" in factors:
            raise ZooError(
                "'batch_size' is both a key of the recipe and a factor; remove one of them"
            )
        return cls.of(values)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe of plain values, its factors checked.

        Raises:
            ZooError: An unknown key, or a value outside its range.
        """
        recipe = cls.parse(values)
        if recipe.pretraining is not None:
            recipe.pretraining._check_factors()
        recipe._check_factors()
        return recipe

    def _check_factors(self) -> None:
        for name, options in self.grid.items():
            for value in options:
                self.factors(**{name: value})
        self.factors()

    def factors(self, **chosen: Scalar) -> Factors:
        """The factors of a network with ``chosen`` ones from the grid, the rest its first values.

        Raises:
            ZooError: An unknown factor, or a value outside its range.
        """
        first = {name: values[0] for name, values in self.grid.items()}
        try:
            return factors_model().parse({**self.fixed, **first, **chosen})
        except ZooError:
            # Architectures bring factors of their own: one that is unknown explains the others.
            for name in (*self.grid.get("architecture", ()), self.fixed.get("architecture")):
                if name is not None:
                    ARCHITECTURES.find(name)
            raise

    @classmethod
    def _read(cls, source: str) -> dict[str, Any]:
        if source.endswith(".toml"):
            return cls.read_toml(source)
        if source not in cls.names():
            raise ZooError(unknown("recipe", source, cls.names(), more=" or give a .toml file"))
        return tomllib.loads((FOLDER / f"{source}.toml").read_text(encoding="utf-8"))
