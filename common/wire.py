"""What crosses a border: strict, frozen camelCase models, on the wire and in Firestore.

Validators are built when a process first meets a shape (`defer_build`): a function imports many more than a call needs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

# pydantic alone takes a bare number for seconds since 1970.
DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_AWARE: Final = TypeAdapter(AwareDatetime, config=ConfigDict(defer_build=True))


def _written_out(moment: object) -> object:
    if not isinstance(moment, str):
        return moment
    if not DATE_AND_TIME.match(moment):
        raise ValueError("must be an RFC 3339 date and time such as 2030-01-31T18:30:00Z")
    try:
        return _AWARE.validate_python(moment)
    except ValidationError as invalid:
        [error] = invalid.errors(include_url=False, include_input=False, include_context=False)
        raise PydanticCustomError(error["type"], error["msg"]) from None


def _in_utc(moment: datetime) -> datetime:
    # Firestore hands back a datetime subclass with nanoseconds: a plain one compares and stores alike.
    if type(moment) is datetime and moment.tzinfo is UTC:
        return moment
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=UTC)


UtcDatetime = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]
EmailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]+\.[^@\s]+$", max_length=254)]
Opaque = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$")]


# Degrees (WGS 84).
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Wire(BaseModel):
    """A request or a reply: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )


def require_in_order(from_: datetime | None, to: datetime | None) -> None:
    """For a query's validator: neither bound of a time has to be given."""
    if from_ is not None and to is not None and from_ > to:
        raise ValueError("from must not be later than to")


def require_both(latitude: float | None, longitude: float | None) -> None:
    """For a query's validator: a place has two coordinates or none."""
    if (latitude is None) != (longitude is None):
        raise ValueError("latitude and longitude come together")


class Empty(Wire):
    """The body of a request that carries none."""


class Record(BaseModel):
    """A Firestore document: camelCase fields, because apps listen to some of these documents."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        frozen=True,
        defer_build=True,
    )

    def document(self) -> dict[str, Any]:
        """The fields as Firestore stores them."""
        return self.model_dump(by_alias=True)

    @classmethod
    def of(cls, fields: dict[str, Any] | None) -> Self:
        """The record that these stored fields are."""
        return cls.model_validate(fields)
