"""Sidecars that are to be verified, by processes or by what runs in them."""

import functools
import hashlib

from condattest.errors import Unavailable
from condattest.formats import evidence as codec
from condattest.operations.audit_workers import Unverified
from condattest.sandbox import github
from tests.audited_channel import sandbox, trust

NAME = "there"


class Origin:
    """A channel that is no folder."""

    name = NAME

    def read(self, path, limit):
        raise Unavailable(path, "no route")


@functools.cache
def three_bundles() -> list[bytes]:
    """Good ones."""
    return [sandbox().sign_statement(b'{"n": %d}' % number, github("me/x")) for number in range(3)]


def unverified(path, data, *, given=True):
    """A sidecar, with its bytes or to be read."""
    return Unverified(path, hashlib.sha256(data).hexdigest(), (trust().sha256,), data if given else None)


def payloads(outcomes):
    """By sidecar, what its bundles signed."""
    return [[codec.parse(each).payload for each in outcome.evidence] for outcome in outcomes]
