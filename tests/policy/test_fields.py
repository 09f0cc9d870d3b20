"""Each field takes one TOML type, and no other that Python would let pass for it."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.policy import fields


def read(field, value):
    return TypeAdapter(field).validate_python(value)


@pytest.mark.parametrize(
    ("field", "value", "made"),
    [
        (fields.Version, 1, 1),
        (fields.Count, 100, 100),
        (fields.Identifier, 2**63 - 1, 2**63 - 1),
        (fields.Duration, "24h", timedelta(days=1)),
        (fields.Digest, "a" * 64, Sha256("a" * 64)),
        (fields.ChannelUrl, "https://prefix.dev/x", Channel("https://prefix.dev/x")),
        (fields.Moment, date(2027, 1, 31), datetime(2027, 1, 31, tzinfo=UTC)),
        (
            fields.Moment,
            datetime(2027, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))),
            datetime(2027, 1, 30, 23, tzinfo=UTC),
        ),
    ],
)
def test_a_value_is_read(field, value, made):
    assert read(field, value) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.Version, True),
        (fields.Version, 1.0),
        (fields.Count, 0),
        (fields.Count, 101),
        (fields.Count, True),
        (fields.Identifier, 2**63),
        (fields.Identifier, "7"),
        (fields.Duration, 24),
        (fields.Digest, "A" * 64),
        (fields.Digest, b"a" * 64),
        (fields.ChannelUrl, "https://prefix.dev/x/"),
        (fields.ChannelUrl, None),
        (fields.Moment, "2027-01-31"),
        (fields.Moment, datetime(2027, 1, 31)),  # noqa: DTZ001
        (fields.Moment, date(1, 1, 1)),
        (fields.Moment, datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))),
    ],
)
def test_another_value_is_refused_with_what_is_expected(field, value):
    with pytest.raises(ValidationError) as caught:
        read(field, value)
    (error,) = caught.value.errors()
    assert error["type"] == fields.REFUSED
    assert error["ctx"]["expected"]


def test_a_channel_that_is_not_canonical_is_told_its_canonical_form():
    with pytest.raises(ValidationError, match=r'"https://prefix\.dev/x"'):
        read(fields.ChannelUrl, "HTTPS://Prefix.dev/x/")
