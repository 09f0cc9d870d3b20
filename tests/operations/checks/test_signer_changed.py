"""Signers that are new to a package's name."""

from hypothesis import given
from hypothesis import strategies as st

from condattest.model.finding import Code
from condattest.operations.checks.signer_changed import SignerChanged
from tests.operations.checks.rows import row, scope, shown

CHANGED = [Code.AUDIT_SIGNER_CHANGED]


def test_the_first_package_by_a_new_signer_is_found():
    rows = [row(version=str(day), day=day, who="one" if day < 3 else "two") for day in range(5)]
    assert shown(SignerChanged(scope()), *rows) == (1, {"noarch/x-3-0.conda": CHANGED})


def test_trusted_time_is_the_order_and_not_the_version():
    """Somebody who took a name over could publish under an old version's number."""
    rows = [row(version="1.0", day=9, who="two"), row(version="2.0", day=1), row(version="3.0", day=2)]
    found, said = shown(SignerChanged(scope()), *rows)
    assert (found, list(said)) == (1, ["noarch/x-1.0-0.conda"])


def test_signers_who_take_turns_are_told_once():
    rows = [row(version=str(day), day=day, who=("one", "two")[day % 2]) for day in range(8)]
    assert shown(SignerChanged(scope()), *rows)[0] == 1


def test_one_more_signature_beside_a_known_one_is_no_change():
    rows = [row(version="1", day=1), row(version="2", day=2, who=["one", "two"]), row(version="3", day=3, who="two")]
    assert shown(SignerChanged(scope()), *rows) == (0, {})


def test_it_says_who_signed_before():
    check = SignerChanged(scope())
    rows = [row(version="1", day=1), row(version="2", day=2, who="two")]
    for each in rows:
        check.observe(each)
    [finding] = check.findings(rows[1])
    assert "one" in finding.facts["expected"]
    assert "two" in finding.facts["found"]


def test_other_names_and_unattested_packages_do_not_count():
    assert shown(SignerChanged(scope()), row(day=1), row(name="y", day=2, who="two"), row(version="2")) == (0, {})


def test_without_sidecars_it_does_not_run():
    assert not SignerChanged(scope(mode="index-only")).ran().ran


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc")), unique_by=lambda pair: pair[0], max_size=12),
       st.randoms())  # fmt: skip
def test_the_order_of_rows_does_not_matter(signed, random):
    rows = [row(version=str(day), day=day, who=who) for day, who in signed]
    shuffled = random.sample(rows, len(rows))
    found = shown(SignerChanged(scope()), *rows)
    assert shown(SignerChanged(scope()), *shuffled) == found
    assert found[0] == max(len({who for _, who in signed}) - 1, 0) == len(found[1])
