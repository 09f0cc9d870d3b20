"""What a client wrote down of an installed package, and what of it may not be believed."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import conda_meta
from condattest.model.finding import Code
from tests.locks import SHA

NAME = "numbers-1.0-0.json"
URL = "https://conda.example/channel/noarch/numbers-1.0-0.conda"
META = {
    "name": "numbers", "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch", "depends": ["python"],
    "channel": "https://conda.example/channel/noarch", "fn": "numbers-1.0-0.conda", "url": URL, "sha256": SHA,
    "files": ["a"], "paths_data": {"paths": []}, "link": {"source": "/x", "type": 1}, "requested_spec": "numbers",
}  # fmt: skip


def parse(as_file=NAME, **keys):
    said = {key: value for key, value in (META | keys).items() if value is not ...}
    return conda_meta.parse(json.dumps(said).encode(), as_file)


def refused(**keys):
    with pytest.raises(Malformed) as caught:
        parse(**keys)
    assert caught.value.finding.code is Code.BIND_INSTALLED
    return caught.value.finding


def test_url_digest_and_record_are_told_apart():
    found = parse()
    assert (found.url, str(found.file), found.sha256) == (URL, "numbers-1.0-0.conda", SHA)
    assert set(found.held) == {"name", "version", "build", "build_number", "subdir", "depends", "sha256"}


@pytest.mark.parametrize(
    "channel",
    ["https://conda.example/channel", "https://conda.example/channel/", "https://conda.example/t/tk-1/channel/noarch",
     "conda-forge", "<unknown>", None, ...],
)  # fmt: skip
def test_a_channel_is_said_in_many_ways(channel):
    assert parse(channel=channel).url == URL


def test_without_sha256_it_is_for_the_verification_to_refuse():
    assert parse(sha256=...).sha256 is None


def test_a_url_may_escape_what_stands_in_versions():
    found = conda_meta.parse(
        json.dumps(
            META | {"version": "1!1.0", "fn": "numbers-1!1.0-0.conda", "url": URL.replace("1.0", "1%211.0")}
        ).encode(),
        "numbers-1!1.0-0.json",
    )
    assert found.file.version == "1!1.0"


@pytest.mark.parametrize(
    "keys",
    [
        {"url": ...}, {"url": None}, {"url": []}, {"url": "https://conda.example/channel/noarch/"}, {"url": "x"},
        {"fn": "other-1.0-0.conda"}, {"fn": ...}, {"fn": "numbers-1.0-0.tar.bz2"}, {"name": "other"}, {"name": ...},
        {"version": "2.0"}, {"version": 1.0}, {"build": "1"}, {"subdir": "linux-64"}, {"sha256": "x"}, {"sha256": 1},
        {"sha256": SHA.upper()}, {"channel": "https://conda.example/other"}, {"channel": []}, {"channel": "x://y"},
        {"channel": "https://conda.example/channel/linux-64"}, {"url": URL.replace("numbers", "evil")},
    ],
)  # fmt: skip
def test_names_that_disagree_are_refused(keys):
    """What is verified by one of them is not what was installed by another."""
    assert refused(**keys).where.startswith(NAME)


def test_the_file_has_the_name_of_what_it_is_about():
    assert "numbers-1.0-0.json" in refused(as_file="other-1.0-0.json").facts["expected"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b"\xff", b"null", b"[" * 100_000])
def test_another_text_is_refused(data):
    with pytest.raises(Malformed) as caught:
        conda_meta.parse(data, NAME)
    assert caught.value.finding.code is Code.BIND_INSTALLED


def test_credentials_are_shown_nowhere():
    secret = "https://me:secret@conda.example/t/tk-1/channel/noarch/numbers-1.0-0.conda"
    assert "secret" not in repr(parse(url=secret))
    finding = refused(url=secret, channel="https://me:secret@conda.example/t/tk-2/x")
    assert "secret" not in str(finding.facts)
    assert "tk-" not in str(finding.facts)


@given(
    st.dictionaries(
        st.sampled_from(sorted(META)), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text())
    )
)
def test_any_record_is_read_or_refused(keys):
    with contextlib.suppress(Malformed):
        assert parse(**keys).url == URL
