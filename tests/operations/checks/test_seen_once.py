"""Identities that signed one package alone."""

import pytest

from condattest.model.finding import Code
from condattest.operations.checks.seen_once import SeenOnce, who
from tests.operations.checks.rows import row, scope, shown


def test_an_identity_of_one_package_is_found_whatever_its_tags():
    rows = [row(version="1", day=1), row(version="2", day=2), row(name="y", day=3, who="two")]
    assert shown(SeenOnce(scope()), *rows) == (1, {"noarch/y-1-0.conda": [Code.AUDIT_SEEN_ONCE]})


def test_an_email_is_taken_whole():
    assert who("me@example.org", "i") != who("me@example.com", "i")
    assert who("https://github.com/a/b/w.yml@refs/tags/1", "i") == who("https://github.com/a/b/w.yml@refs/tags/2", "i")


@pytest.mark.parametrize("more", [{"mode": "index-only"}, {"mode": "sample"}, {"mode": "since"}, {"part": (1, 2)}])
def test_without_the_whole_it_does_not_run_and_says_so(more):
    check = SeenOnce(scope(**more))
    assert not check.ran().ran
    assert check.ran().reason
    assert shown(check, row(day=1)) == (0, {})
