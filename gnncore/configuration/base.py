"""The base class of all settings."""

from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema

from gnncore.configuration.problems import one_line
from gnncore.configuration.toml import to_toml
from gnncore.errors import SpecificationError
from gnncore.storage import StorageError, read_toml

if TYPE_CHECKING:
    # Which keeps the signature that pydantic gives to type checkers.
    from pydantic._internal._model_construction import ModelMetaclass as _Translating
else:

    class _Translating(type(BaseModel)):
        """Translates errors of a caller, not those of a part, whose whole knows where it is."""

        def __call__(cls, *arguments: Any, **values: Any) -> Any:
            try:
                return super().__call__(*arguments, **values)
            except ValidationError as error:
                raise cls.error_class(one_line(error, cls)) from error


def _make_strict(schema: Any) -> None:
    """Let numbers and truth values be taken as they are only; an integer is a number, too.

    Pydantic's own strict mode would refuse lists for tuples and tables for parts as well, which is
    how files write them.
    """
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool"):
            schema["strict"] = True
        for key, part in schema.items():
            if key not in ("default", "metadata"):
                _make_strict(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            _make_strict(part)


def _with_own_integers(values: Any) -> Any:
    """The values with Python's integers in place of those of other libraries, as of NumPy."""
    if isinstance(values, dict):
        return {key: _with_own_integers(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(map(_with_own_integers, values))
    if isinstance(values, Integral) and not isinstance(values, int):
        return int(values)
    return values


class Configuration(BaseModel, metaclass=_Translating):
    """A frozen set of options, from code or from a TOML file whose keys are the attributes.

    Unknown keys, values outside their range, numbers that are not finite, and texts or truth values
    where numbers belong (``"3"``, ``true``) are refused, in one line that repeats the value and,
    for a misspelt key, names the nearest. Annotations of pydantic say what is allowed. Subclasses
    may set the class attributes below.

    Attributes:
        error_class: The class of the errors that callers get.
        file_error_class: The class of those where a file cannot be read; None for ``error_class``.
        title: What the keys are of, for messages, as ``a campaign``; may be empty.
        file_title: What the file is, for messages.
        key_word: What a key is called.

    Raises:
        SpecificationError: As said above; another class where ``error_class`` is set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    error_class: ClassVar[type[Exception]] = SpecificationError
    file_error_class: ClassVar[type[Exception] | None] = None
    title: ClassVar[str] = ""
    file_title: ClassVar[str] = "settings file"
    key_word: ClassVar[str] = "key"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _own_integers(cls, values: Any) -> Any:
        return _with_own_integers(values)

    @classmethod
    def parse(cls, values: Any) -> Self:
        """The settings of plain values, such as a file of JSON holds.

        Raises:
            SpecificationError: Or ``error_class``: an unknown key, a value outside its range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise cls.error_class(one_line(error, cls)) from error

    @classmethod
    def from_toml(cls, path: str | PathLike[str], **options: Any) -> Self:
        """The settings in a TOML file, with every option that is not None in its place.

        Raises:
            SpecificationError: Or ``error_class``: the file cannot be read or is no TOML, an
                unknown key, or a value outside its range.
        """
        return cls.parse(cls.read_toml(path) | given(options))

    @classmethod
    def read_toml(cls, path: str | PathLike[str]) -> dict[str, Any]:
        """What a TOML file holds, not checked yet.

        Raises:
            SpecificationError: Or ``error_class``: the file cannot be read or is no TOML.
        """
        try:
            return read_toml(path)
        except StorageError as error:
            refuse = cls.file_error_class or cls.error_class
            raise refuse(f"{cls.file_title}: {error}") from error

    def to_toml(self) -> str:
        """The text of a file that :meth:`from_toml` reads.

        Raises:
            SpecificationError: Or ``error_class``: a value that TOML cannot say, such as None in a
                list.
        """
        try:
            return to_toml(self.model_dump(mode="json"))
        except TypeError as error:
            raise self.error_class(str(error)) from error


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}
