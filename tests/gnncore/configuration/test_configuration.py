"""Settings: every mistake is one line that says where it is and what was given; TOML both ways."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from gnncore.configuration import Configuration, to_toml
from gnncore.errors import SpecificationError
from gnncore.names import nearest, unknown


class KitchenError(Exception):
    """Not derived from ValueError, as errors of a package may be."""


class MissingRecipeError(KitchenError):
    """There is no such file."""


class Yeast(Configuration):
    kind: Literal["yeast"] = "yeast"
    grams: Annotated[float, Field(gt=0)]


class Sourdough(Configuration):
    kind: Literal["sourdough"] = "sourdough"
    days: Annotated[int, Field(ge=1)]


class Crust(Configuration):
    error_class = KitchenError
    title = "a crust"

    minutes: Annotated[int, Field(ge=0)] = 40
    steam: bool = True

    @model_validator(mode="after")
    def _steam_needs_time(self) -> "Crust":
        if self.steam and not self.minutes:
            raise ValueError("steam needs minutes, got 0")
        return self


class Bread(Configuration):
    error_class = KitchenError
    file_error_class = MissingRecipeError
    file_title = "bread"
    key_word = "ingredient"

    flour: Annotated[float, Field(gt=0)]
    water: float = 0.7
    crust: Crust = Crust()
    raising: Annotated[Yeast | Sourdough, Field(discriminator="kind")] | None = None
    rests: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] = 1
    seeds: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    top: Crust | Literal["none"] = "none"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flour": 0}, "flour must be greater than 0, got 0"),
        ({"flour": True}, "flour must be a valid number, got True"),
        ({"flour": "1"}, "flour must be a valid number, got '1'"),
        ({"flour": 1, "crust": {"minutes": True}}, "crust.minutes must be a valid integer, got Tr"),
        ({"flour": 1, "crust": {"minutes": "3"}}, "crust.minutes must be a valid integer, got '3'"),
        ({"flour": 1, "crust": {"steam": 1}}, "crust.steam must be a valid boolean, got 1"),
        ({"flour": 1, "crust": {"steam": "yes"}}, "crust.steam must be a valid boolean, got 'yes'"),
        (
            {"flour": 1, "raising": {"kind": "yeast", "grams": True}},
            "raising.grams must be a valid",
        ),
        ({"flour": 1, "rests": [1, True]}, "rests[1] must be a valid integer, got True"),
        ({"flour": 1, "rests": "1"}, "rests must be a valid integer, got '1'"),
        ({"flour": 1, "seeds": {"rye": "3"}}, "seeds.rye must be a valid integer, got '3'"),
        ({"flour": float("nan")}, "flour must be a finite number, got nan"),
        ({}, "flour is missing; set it"),
        ({"flour": 1, "flower": 2}, "unknown ingredient 'flower', did you mean 'flour'? The ingre"),
        ({"flour": 1, "x": 2}, "unknown ingredient 'x'; the ingredients are flour, water, crust"),
        (
            {"flour": 1, "crust": {"minute": 2}},
            "unknown key 'crust.minute', did you mean 'crust.minutes'? "
            "The keys of a crust are minutes, steam",
        ),
        ({"flour": 1, "crust": {"minutes": -1}}, "crust.minutes must be greater than or equal to "),
        ({"flour": 1, "crust": {"minutes": 0}}, "crust: steam needs minutes, got 0"),
        ({"flour": 1, "top": {"minutes": "x"}}, "top.minutes must be a valid integer"),
        ({"flour": 1, "top": {"y": 1}}, "unknown key 'top.y'; the keys of a crust are minutes, "),
        ({"flour": 1, "raising": {"kind": "yeast", "grams": -1}}, "raising.grams must be greater"),
        ({"flour": 1, "raising": {"kind": "yeast", "g": 1}}, "unknown key 'raising.g'; the keys a"),
        ({"flour": 1, "raising": {"kind": "hope"}}, "raising must be of one of the kinds 'yeast'"),
        ({"flour": 1, "rests": [1, 0]}, "rests[1] must be greater than or equal to 1, got 0"),
        ({"flour": 1, "seeds": {"rye": -3}}, "seeds.rye must be greater than or equal to 0, got "),
        ({"flour": "x" * 500}, "flour must be a valid number, got 'xxxxx"),
        ([1], "the settings must be a valid dictionary"),
    ],
)
def test_every_mistake_is_one_line(values: object, message: str) -> None:
    with pytest.raises(KitchenError) as caught:
        Bread.parse(values)
    said = str(caught.value)
    assert said.startswith(message)
    assert "\n" not in said
    assert len(said) < 300
    if isinstance(values, dict):
        with pytest.raises(KitchenError) as again:
            Bread(**values)
        assert str(again.value) == said


def test_numbers_of_other_libraries_and_integers_for_numbers_are_taken() -> None:
    bread = Bread(
        flour=np.float32(0.5),
        water=1,
        crust={"minutes": np.int64(3)},
        rests=[np.uint8(2), 3],
        seeds={"rye": np.int32(4)},
    )
    assert (bread.flour, bread.water, bread.crust.minutes) == (0.5, 1.0, 3)
    assert (bread.rests, bread.seeds) == ((2, 3), {"rye": 4})
    assert type(bread.crust.minutes) is int
    assert "rests = [2, 3]" in bread.to_toml()


def test_the_package_decides_the_class_of_the_error() -> None:
    with pytest.raises(SpecificationError, match="grams is missing"):
        Yeast()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Bread(flour=1).water = 2


def test_a_file_and_what_is_given_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "bread.toml"
    path.write_text("flour = 2\nrests = [1, 2]\n[crust]\nminutes = 30\n")
    assert Bread.from_toml(path) == Bread(flour=2, rests=(1, 2), crust=Crust(minutes=30))
    assert Bread.from_toml(path, flour=3, water=None).flour == 3
    assert Bread.from_toml(path, water=None).water == 0.7
    with pytest.raises(KitchenError, match="unknown ingredient 'waters', did you mean 'water'"):
        Bread.from_toml(path, waters=1)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingRecipeError, match=r"^bread: cannot read .*none\.toml"):
        Bread.from_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("flour = = 1")
    with pytest.raises(MissingRecipeError, match=r"^bread: .* no valid TOML"):
        Bread.from_toml(tmp_path / "bad.toml")
    (tmp_path / "yeast.toml").write_text("grams = = 1")
    with pytest.raises(SpecificationError, match=r"^settings file: "):
        Yeast.from_toml(tmp_path / "yeast.toml")


@given(
    st.builds(
        Bread,
        flour=st.floats(0, 1e9, exclude_min=True),
        water=st.floats(allow_nan=False, allow_infinity=False),
        crust=st.builds(Crust, minutes=st.integers(1, 99), steam=st.booleans()),
        raising=st.none() | st.builds(Yeast, grams=st.floats(0.1, 9)),
        rests=st.integers(1, 5) | st.lists(st.integers(1, 5)).map(tuple),
        seeds=st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(0, 2**62)),
    )
)
def test_toml_comes_back_as_it_was(bread: Bread) -> None:
    assert Bread.parse(tomllib.loads(bread.to_toml())) == bread


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match=r"TOML has no NoneType, got None for a\.b"):
        to_toml({"a": {"b": None}})


def test_the_nearest_name_is_suggested_if_one_is_near() -> None:
    known = ["native", "native64", "julia"]
    assert [nearest(name, known) for name in ("natve", "JULIA", "x", "")] == [
        "native",
        "julia",
        None,
        None,
    ]
    assert unknown("engine", "x", known) == "unknown engine 'x'; choose one of " + ", ".join(known)
    assert unknown("engine", "natve", known, within="my.").startswith(
        "unknown engine 'my.natve', did you mean 'my.native'? Choose one of native, "
    )
    assert unknown("engine", 3, []) == "unknown engine 3; choose one of none"
    assert len(unknown("engine", "y" * 10**6, known)) < 200
