import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import sidecar
from condattest.formats.sidecar import MAX_ELEMENTS, MAX_SIDECAR
from condattest.model.finding import Code, Finding
from tests.formats.bundles import ABSENT, a_bundle, a_document, changed, encoded

INDENTED = json.dumps(a_document(), indent=2).encode()


def refused(data: bytes) -> Finding:
    with pytest.raises(Malformed) as caught:
        sidecar.parse(data, where="x.sigs")
    return caught.value.finding


def test_a_sidecar_is_an_array_of_bundles_in_order():
    data = b"[" + a_bundle() + b"," + INDENTED + b"]"
    parsed = sidecar.parse(data, where="x.sigs")
    assert [bundle.raw for bundle in parsed.bundles] == [a_bundle(), INDENTED]
    assert parsed.sha256 == hashlib.sha256(data).hexdigest()


# Bundles as different writers lay them out: spaces, key order, escapes.
layouts = st.builds(
    lambda indent, keys, ascii_: json.dumps(a_document(), indent=indent, sort_keys=keys, ensure_ascii=ascii_).encode(),
    st.sampled_from([None, 0, 1, 4, "\t"]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(layouts, min_size=1, max_size=4))
def test_elements_keep_their_bytes(elements):
    parsed = sidecar.parse(sidecar.dump(elements), where="x.sigs")
    assert [bundle.raw for bundle in parsed.bundles] == elements


@given(st.lists(layouts, min_size=1, max_size=3), layouts)
def test_appending_changes_nothing_before(elements, new):
    before = sidecar.dump(elements)
    raws = [bundle.raw for bundle in sidecar.parse(before, where="x.sigs").bundles]
    assert sidecar.dump([*raws, new]) == before[:-1] + b"," + new + b"]"


@given(st.lists(layouts, min_size=1, max_size=4))
def test_what_is_dumped_and_parsed_dumps_to_the_same_bytes(elements):
    data = sidecar.dump(elements)
    assert sidecar.dump([bundle.raw for bundle in sidecar.parse(data, where="x.sigs").bundles]) == data


@pytest.mark.parametrize("data", [b"[ %b ]", b"\n[\t%b\r\n]\n"])
def test_white_space_around_elements_is_no_part_of_them(data):
    parsed = sidecar.parse(data % a_bundle(), where="x.sigs")
    assert [bundle.raw for bundle in parsed.bundles] == [a_bundle()]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[]", id="an empty array"),
        pytest.param(b"{}", id="an object"),
        pytest.param(b"[{}]", id="an empty object in an array"),
        pytest.param(a_bundle(), id="a bare bundle"),
        pytest.param(b"[" + a_bundle() + b",]", id="a trailing comma"),
        pytest.param(b"[" + a_bundle() + b"]]", id="bytes after it"),
        pytest.param(b"[" + a_bundle(), id="cut short"),
        pytest.param(b"[[" + a_bundle() + b"]]", id="an array in an array"),
        pytest.param(b"[null]", id="null"),
        pytest.param(b'["x"]', id="a text"),
        pytest.param(b"\xef\xbb\xbf[" + a_bundle() + b"]", id="a byte-order mark"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null alone"),
        pytest.param(b"<html>", id="a web page"),
        pytest.param(b"\x28\xb5\x2f\xfd", id="zstd"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="200,000 levels of nesting"),
        pytest.param(b"[" + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"]", id="200,000 levels inside an element"),
        pytest.param(a_bundle() + b"\n" + a_bundle(), id="JSON lines"),
    ],
)
def test_what_is_no_array_of_bundles_is_refused(data):
    """An empty or odd sidecar passes with nothing verified where a loop over no elements finds no fault."""
    assert refused(data).code is Code.SIDECAR_SHAPE


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{}", "BUNDLE-MEDIA-TYPE"),
        (encoded(changed("extra", 1)), "BUNDLE-SHAPE"),
        (encoded(changed("dsseEnvelope", ABSENT)), "BUNDLE-CONTENT"),
        (encoded(changed("verificationMaterial.tlogEntries", [])), "BUNDLE-LOG"),
        (a_bundle()[:-1] + b',"mediaType":"x"}', "BUNDLE-JSON"),
        (a_bundle().replace(b'"dsse"', b'"\xff"'), "BUNDLE-JSON"),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_one_element_that_is_no_bundle_spoils_the_sidecar(bad, reason, index):
    """A good bundle beside junk hides what another client makes of the junk; every element must be a bundle."""
    elements = [a_bundle(), a_bundle()]
    elements[index] = bad
    finding = refused(b"[" + b",".join(elements) + b"]")
    assert finding.code is Code.SIDECAR_SHAPE
    assert finding.where.startswith(f"x.sigs[{index}]: ")
    assert (finding.facts["element"], finding.facts["reason"]) == (str(index), reason)


def test_as_many_elements_as_allowed_are_read():
    parsed = sidecar.parse(sidecar.dump([a_bundle()] * MAX_ELEMENTS), where="x.sigs")
    assert len(parsed.bundles) == MAX_ELEMENTS


def test_more_elements_than_the_cap_are_refused():
    """Every element costs a verification; ten thousand keep an installer busy for an hour."""
    assert refused(b"[" + b",".join([b"{}"] * (MAX_ELEMENTS + 1)) + b"]").code is Code.SIDECAR_SIZE


def test_more_bytes_than_the_cap_are_refused_unread():
    """A sidecar of gigabytes fills the memory."""
    data = b"[" + a_bundle()
    padded = data.ljust(MAX_SIDECAR - 1) + b"]"
    assert sidecar.parse(padded, where="x.sigs").bundles
    assert refused(padded + b" ").code is Code.SIDECAR_SIZE


@pytest.mark.parametrize(
    "elements", [[], [b""], [b"["], [b"[]"], [b"1"], [b"null"], [a_bundle(), b"{}{}"], [b"{},{}"], [b"{}]"]], ids=repr
)
def test_what_would_not_read_back_as_elements_is_not_dumped(elements):
    with pytest.raises(ValueError, match=r"."):
        sidecar.dump(elements)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda data: b"[" + data + b"]"))
def test_arbitrary_bytes_only_ever_raise_malformed(data):
    assert refused(data).code is Code.SIDECAR_SHAPE


@given(st.integers(0, len(a_bundle()) + 1), st.integers(0, 255))
def test_a_changed_byte_only_ever_raises_malformed(position, value):
    data = bytearray(sidecar.dump([a_bundle()]))
    data[position] = value
    try:
        parsed = sidecar.parse(bytes(data), where="x.sigs")
    except Malformed as error:
        code = error.finding.code
    else:
        code = Code.SIDECAR_SHAPE
        assert b"[" + parsed.bundles[0].raw + b"]" == bytes(data).strip()
    assert code is Code.SIDECAR_SHAPE


def versions(*lists):
    """Sidecars with these elements, by digest."""
    parsed = [sidecar.parse(sidecar.dump(list(elements)), where="x") for elements in lists]
    return {each.sha256: each for each in parsed}


def numbered(number: int) -> bytes:
    """One bundle of many: the same document, laid out in its own way."""
    return a_bundle().replace(b"{", b"{" + b" " * number, 1)


several = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True)


@given(st.lists(several, min_size=1, max_size=4), st.lists(st.integers(1, 8), max_size=3), st.integers(0, 9))
def test_joining_loses_nothing_keeps_what_is_in_front_and_is_the_same_for_everybody(lists, fresh, pick):
    known = versions(*[[numbered(each) for each in elements] for elements in lists])
    advertised = sorted(known)[pick % len(known)] if pick < 7 else None
    data = sidecar.joined(known, advertised, [numbered(each) for each in fresh])
    elements = sidecar.parse(data, where="x").elements
    assert set(elements) == {numbered(each) for part in (*lists, fresh) for each in part}
    assert len(elements) == len(set(elements))
    whole = sidecar.newest(known, advertised)
    front = whole or (known[advertised] if advertised else max(known.values(), key=lambda each: len(each.bundles)))
    assert elements[: len(front.bundles)] == front.elements or (whole is None and advertised is None)
    # Whoever joins the same versions, in whatever order they were found, gets the same bytes; and once is enough.
    backwards = dict(reversed(known.items()))
    assert sidecar.joined(backwards, advertised, [numbered(each) for each in fresh]) == data
    again = sidecar.parse(data, where="x")
    assert sidecar.joined({**known, again.sha256: again}, advertised) == data


def test_a_version_that_has_it_all_keeps_its_very_bytes():
    spaced = b"[ " + numbered(1) + b" ,\n" + numbered(2) + b" ]"
    whole = sidecar.parse(spaced, where="x")
    known = {**versions([numbered(1)]), whole.sha256: whole}
    assert sidecar.joined(known, None, [numbered(2)]) == spaced


def test_after_a_fork_what_the_index_advertises_stays_in_front():
    known = versions([numbered(1), numbered(2)], [numbered(1), numbered(3)])
    for advertised, expected in ((first, second) for first, second in zip(known, [(1, 2, 3), (1, 3, 2)], strict=True)):
        elements = sidecar.parse(sidecar.joined(known, advertised), where="x").elements
        assert elements == tuple(map(numbered, expected))


def test_above_the_caps_nothing_is_joined():
    full = versions([numbered(each) for each in range(1, MAX_ELEMENTS + 1)])
    with pytest.raises(Malformed) as caught:
        sidecar.joined(full, None, [numbered(MAX_ELEMENTS + 1)])
    assert caught.value.finding.code is Code.SIDECAR_SIZE
    with pytest.raises(ValueError, match="at least one"):
        sidecar.joined({}, None)
