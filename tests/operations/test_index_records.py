"""What many index files say, put together: what they name, and where they do not agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import pytest

from condattest.errors import Malformed
from condattest.formats.index_changes import Listed
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations import index_records

ONE, TWO = (PackageFile.parse(f"{name}-1-0.conda") for name in ("one", "two"))
A, B, C = (Sha256(digit * 64) for digit in "abc")


@dataclass(frozen=True)
class Said:
    """An index file that says what the test wants, up to where it is broken."""

    path: str
    records_: tuple[Listed, ...]
    base: str = "repodata"
    broken: Finding | None = None

    def records(self) -> Iterator[Listed]:
        yield from self.records_
        if self.broken is not None:
            raise Malformed(self.broken)


def view(path, records, **how):
    """By artifact: the digest of its bytes, and the sidecar that is named."""
    return Said(path, tuple(Listed(file, *digests) for file, digests in records.items()), **how)


def codes(said):
    return [finding.code for finding in said.findings]


def test_only_what_has_or_names_a_sidecar_is_kept():
    said = index_records.read([view("r", {ONE: (A, None), TWO: (B, C)})], ())
    assert set(said.records) == {TWO}
    assert set(index_records.read([view("r", {ONE: (A, None), TWO: (B, C)})], {ONE}).records) == {ONE, TWO}
    assert (said.sha256(TWO), said.sha256(ONE), said.advertised(TWO), said.advertised(ONE)) == (B, None, (C,), ())


def test_what_several_files_name_is_told_once_each_in_order():
    said = index_records.read([view("r", {ONE: (A, C)}), view("z", {ONE: (A, B)}), view("b", {ONE: (A, C)})], ())
    assert said.advertised(ONE) == (C, B)


def test_a_digest_is_taken_from_the_file_that_has_one():
    assert index_records.read([view("r", {ONE: (None, C)}), view("z", {ONE: (A, C)})], ()).sha256(ONE) == A


def test_fields_out_of_line_are_one_finding_for_each_artifact():
    said = index_records.read(
        [view("r", {ONE: (A, B)}), view("z", {ONE: (A, None)}), view("b", {ONE: (A, C)})], {ONE, TWO}
    )
    found = list(said.differences({ONE: C, TWO: B}))
    assert [finding.code for finding in found] == [Code.INDEX_FIELD, Code.INDEX_ORPHAN]
    assert found[0].facts == {"expected": C, "found": f"{B}, no such key", "files": "r, z"}
    assert found[1].where == str(TWO)


def test_a_field_without_a_sidecar_is_alone():
    said = index_records.read([view("r", {ONE: (A, None)}), view("z", {ONE: (A, B)})], ())
    assert [(finding.code, finding.where) for finding in said.differences({})] == [
        (Code.INDEX_FIELD_ALONE, f"z: {ONE}")
    ]
    assert said.alone({ONE}) == {}


def test_forms_of_one_index_must_list_the_same_and_of_different_ones_need_not():
    forms = [view("r", {ONE: (A, None), TWO: (B, None)}), view("z", {ONE: (C, None)})]
    said = index_records.read(forms, ())
    assert codes(said) == [Code.INDEX_DISAGREE] * 2
    assert [finding.facts for finding in said.findings] == [{"r": A, "z": C}, {"r": B, "z": "not listed"}]
    built = view("f", {ONE: (C, None)}, base="repodata_from_packages")
    assert codes(index_records.read([forms[0], built], ())) == []


def test_current_repodata_may_list_fewer_but_nothing_else():
    whole = view("r", {ONE: (A, None), TWO: (B, None)})
    for records, expected in (({ONE: (A, None)}, 0), ({ONE: (B, None)}, 1), ({}, 0)):
        current = view("c", records, base="current_repodata")
        assert codes(index_records.read([whole, current], ())) == [Code.INDEX_DISAGREE] * expected


def test_very_many_disagreements_are_counted_and_not_all_listed():
    many = {PackageFile.parse(f"p{number}-1-0.conda"): (A, None) for number in range(50)}
    said = index_records.read([view("r", many), view("z", {})], ())
    assert len(said.findings) == 21
    assert said.findings[-1].facts == {"further": "30 more packages"}


def test_a_broken_record_is_a_finding_and_what_follows_it_is_not_called_missing():
    broken = Finding(Code.SIDECAR_FIELD, "z", MappingProxyType({}))
    said = index_records.read([view("r", {ONE: (A, C), TWO: (B, None)}), view("z", {ONE: (A, C)}, broken=broken)], ())
    assert codes(said) == [Code.SIDECAR_FIELD]
    assert set(said.records[ONE]) == {"r", "z"}


def test_a_file_that_is_no_index_ends_it():
    broken = Finding(Code.NET_UNAVAILABLE, "z", MappingProxyType({}))
    with pytest.raises(Malformed, match="NET-UNAVAILABLE"):
        index_records.read([view("z", {}, broken=broken)], ())
