"""The field types of a policy's documents: a TOML value in, a checked value out.

Owns the annotated types that `documents` is made of. Each says what it expects, for people and in the JSON schema, and
refuses with that text; TOML's own types count, so `"1"` is no integer and `true` no number. Dates without a time are
their first instant in UTC; times without an offset are refused, since they mean another moment on each machine.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, TypeVar

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel, canonical
from condattest.policy import durations, grammar

REFUSED: Final = "refused"
"""The error type of these fields; `expected` in its context says what they take."""
VERSION: Final = 1
"""The version of the policy's format."""
_MAX_ID: Final = 2**63 - 1
_MAX_COUNT: Final = 100
_T = TypeVar("_T")


def _refusal(expected: str) -> PydanticCustomError:
    return PydanticCustomError(REFUSED, "{expected}", {"expected": expected})


def _text(read: Callable[[str], _T]) -> PlainValidator:
    def check(value: object) -> _T:
        try:
            # No reader takes the empty text, so for what is no text at all it says what it wants instead.
            return read(value if isinstance(value, str) else "")
        except ValueError as error:
            raise _refusal(str(error)) from None

    return PlainValidator(check)


def _integer(most: int, expected: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise _refusal(expected)
        return value

    return check


def _sha256(text: str) -> Sha256:
    try:
        return Sha256(text)
    except ValueError:
        raise ValueError("a SHA-256 digest: 64 lowercase hex digits") from None


def _channel(text: str) -> Channel:
    try:
        made = canonical(text)
    except ValueError:
        raise ValueError('a canonical channel URL, such as "https://conda.anaconda.org/conda-forge"') from None
    if made.url != text:
        raise ValueError(f'the canonical channel URL "{made.url}"')
    return made


def _provenance(text: str) -> Channel:
    try:
        return _channel(text)
    except ValueError:
        raise ValueError("a URL without credentials, query or trailing slash") from None


def _moment(value: object) -> datetime:
    if isinstance(value, date) and 1970 <= value.year <= 9998:  # An offset must not lead beyond what a date can be.
        if not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if value.tzinfo is not None:
            return value.astimezone(UTC)
    raise _refusal("a date (2027-01-31), which is its start in UTC, or a time with an offset (2027-01-31T12:00:00Z)")


def _version(value: object) -> int:
    if type(value) is not int or value != VERSION:  # `1.0` and `true` equal 1 in Python, not in TOML.
        raise _refusal(f"{VERSION}")
    return value


def _ascii(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_STRING = WithJsonSchema({"type": "string", "minLength": 1})
_URL = WithJsonSchema({"type": "string", "format": "uri"})

SignerName = Annotated[str, _text(grammar.signer_name), _STRING]
Package = Annotated[str, _text(grammar.package), _STRING]
GitHubRepository = Annotated[str, _text(grammar.github_repository), _ascii(r"^[A-Za-z0-9_.-]+/([A-Za-z0-9_.-]+|\*)$")]
GitLabRepository = Annotated[
    str, _text(grammar.gitlab_repository), _ascii(r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/([A-Za-z0-9_.-]+|\*)$")
]
Workflow = Annotated[str, _text(grammar.workflow), _ascii(r"^\.github/workflows/[^/]+\.ya?ml$")]
Config = Annotated[str, _text(grammar.config), _STRING]
Ref = Annotated[str, _text(grammar.ref), _ascii(r"^refs/")]
Trigger = Annotated[str, _text(grammar.trigger), _STRING]
Runner = Annotated[str, _text(grammar.runner), _STRING]
BuildSigner = Annotated[str, _text(grammar.build_signer), _ascii(r"^https://.+@.+$")]
Issuer = Annotated[str, _text(grammar.issuer), _URL]
Email = Annotated[str, _text(grammar.email), _STRING]
ExactName = Annotated[str, _text(grammar.exact_name), _STRING]
OneLine = Annotated[str, _text(grammar.one_line), _STRING]
RecordKey = Annotated[str, _text(grammar.record_key), _STRING]
Digest = Annotated[Sha256, _text(_sha256), _ascii(r"^[0-9a-f]{64}$")]
ChannelUrl = Annotated[Channel, _text(_channel), _URL]
ProvenanceUrl = Annotated[Channel, _text(_provenance), _URL]
Duration = Annotated[timedelta, _text(durations.parse), _ascii(r"^[1-9][0-9]{0,6}[mhd]$")]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]
Version = Annotated[int, PlainValidator(_version), WithJsonSchema({"const": VERSION})]
Identifier = Annotated[
    int,
    PlainValidator(_integer(_MAX_ID, "the platform's numeric id, an integer")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _MAX_ID}),
]
Count = Annotated[
    int,
    PlainValidator(_integer(_MAX_COUNT, f"an integer from 1 to {_MAX_COUNT}")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _MAX_COUNT}),
]
Generation = Annotated[
    int,
    PlainValidator(_integer(_MAX_ID, "a generation's number, an integer from 1")),
    WithJsonSchema({"type": "integer", "minimum": 1}),
]
