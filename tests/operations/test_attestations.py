"""Attestations are found beside a file, through the index, or where the caller says; never by guessing."""

import hashlib
import json

import msgspec
import pytest
from backports import zstd

from condattest.errors import Malformed, Misuse, NotFound, Unavailable
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.operations import attestations
from condattest.sandbox import github
from tests.rehearsal import REPOSITORY, sandbox

CHANNEL = Channel("https://conda.example/ch")
BUNDLE = sandbox().sign_statement(b"{}", github(REPOSITORY))
FILE = PackageFile.parse("x-1.0-0.conda")
BASE = f"{CHANNEL}/noarch"
SHA256 = "ab" * 32


def served(files):
    """A fetch callable over a dictionary of URLs; an exception in it is raised."""
    asked = []

    def fetch(url, limit):
        asked.append(url)
        content = files.get(url, NotFound(url, "404"))
        if isinstance(content, Exception):
            raise content
        assert len(content) <= limit
        return content

    fetch.asked = asked
    return fetch


def repodata(**record):
    return json.dumps({"packages": {}, "packages.conda": {str(FILE): {"name": "x", **record}}}).encode()


def channel(sidecar, **record):
    digest = hashlib.sha256(sidecar).hexdigest()
    record = {"sha256": SHA256, "attestations_sha256": digest, **record}
    return {f"{BASE}/repodata.json": repodata(**record), f"{BASE}/{FILE}.sigs.{digest}": sidecar}


def refusal(files):
    with pytest.raises(Malformed) as caught:
        attestations.in_channel(CHANNEL, "noarch", FILE, served(files))
    return caught.value.finding


def test_a_sidecar_is_found_through_the_index():
    sidecar = b"[" + BUNDLE + b"]"
    record, found = attestations.in_channel(CHANNEL, "noarch", FILE, served(channel(sidecar)))
    assert record.sha256 == SHA256
    assert [bundle.raw for bundle in found.bundles] == [BUNDLE]


def test_the_shards_answer_before_the_monolith():
    sidecar = b"[" + BUNDLE + b"]"
    digest = hashlib.sha256(sidecar)
    record = {"name": "x", "sha256": bytes.fromhex(SHA256), "attestations_sha256": digest.digest()}
    shard = zstd.compress(msgspec.msgpack.encode({"packages": {}, "packages.conda": {str(FILE): record}}))
    shard_digest = hashlib.sha256(shard)
    info = {"subdir": "noarch", "base_url": "", "shards_base_url": "shards/"}
    index = {"version": 1, "info": info, "shards": {"x": shard_digest.digest()}}
    fetch = served(
        {
            f"{BASE}/repodata_shards.msgpack.zst": zstd.compress(msgspec.msgpack.encode(index)),
            f"{BASE}/shards/{shard_digest.hexdigest()}.msgpack.zst": shard,
            f"{BASE}/{FILE}.sigs.{digest.hexdigest()}": sidecar,
        }
    )
    _, found = attestations.in_channel(CHANNEL, "noarch", FILE, fetch)
    assert len(found.bundles) == 1
    assert f"{BASE}/repodata.json" not in fetch.asked


def test_a_shard_with_other_bytes_than_the_index_names_is_not_read():
    """A shard that was swapped behind an honest index."""
    info = {"shards_base_url": ""}
    index = {"version": 1, "info": info, "shards": {"x": bytes(32)}}
    files = {
        f"{BASE}/repodata_shards.msgpack.zst": zstd.compress(msgspec.msgpack.encode(index)),
        f"{BASE}/{bytes(32).hex()}.msgpack.zst": b"anything",
    }
    assert refusal(files).code is Code.NET_UNAVAILABLE


def test_the_compressed_monolith_is_read_before_the_plain_one():
    files = {f"{BASE}/repodata.json.zst": zstd.compress(repodata(sha256=SHA256)), f"{BASE}/repodata.json": b"{"}
    record, found = attestations.in_channel(CHANNEL, "noarch", FILE, served(files))
    assert (record.sha256, found.bundles) == (SHA256, ())


def test_a_record_without_the_field_has_no_attestations_and_nothing_more_is_asked():
    fetch = served({f"{BASE}/repodata.json": repodata(sha256=SHA256)})
    _, found = attestations.in_channel(CHANNEL, "noarch", FILE, fetch)
    assert found.bundles == ()
    assert not any(".sigs" in url for url in fetch.asked)


@pytest.mark.parametrize("value", ["AB" * 32, "ab" * 31 + "a", None, ["ab" * 32], 1, ""])
def test_a_malformed_field_is_refused_before_any_request(value):
    """An index that names no digest, and a client that asks for it all the same."""
    fetch = served({f"{BASE}/repodata.json": repodata(sha256=SHA256, attestations_sha256=value)})
    with pytest.raises(Malformed) as caught:
        attestations.in_channel(CHANNEL, "noarch", FILE, fetch)
    assert caught.value.finding.code is Code.SIDECAR_FIELD
    assert not any(".sigs" in url for url in fetch.asked)


@pytest.mark.parametrize("error", [NotFound("u", "404"), Unavailable("u", "HTTP 500")])
def test_an_advertised_sidecar_that_cannot_be_had_is_never_unsigned(error):
    """Whoever drops the sidecar's requests must not turn an attested package into an unattested one."""
    files = channel(b"[]")
    [url] = [url for url in files if ".sigs." in url]
    with pytest.raises(Unavailable):
        attestations.in_channel(CHANNEL, "noarch", FILE, served({**files, url: error}))


def test_wrong_bytes_are_refused_before_they_are_parsed():
    """Another sidecar under the digest that the index names."""
    files = channel(b"[" + BUNDLE + b"]")
    [url] = [url for url in files if ".sigs." in url]
    assert refusal({**files, url: b"not even JSON"}).code is Code.SIDECAR_DIGEST


@pytest.mark.parametrize("sidecar", [b"[]", b"{}", b"[{}]", b"[1]", BUNDLE])
def test_what_is_no_array_of_bundles_is_refused(sidecar):
    """An empty sidecar, a bare bundle, or an element that is none."""
    assert refusal(channel(sidecar)).code is Code.SIDECAR_SHAPE


def test_a_package_that_the_index_does_not_list_is_missing():
    assert refusal({f"{BASE}/repodata.json": b'{"packages": {}}'}).code is Code.MISSING_PACKAGE


def test_a_record_without_a_digest_binds_nothing():
    """A record without sha256: any archive would do."""
    assert refusal({f"{BASE}/repodata.json": repodata()}).code is Code.BIND_NO_DIGEST


def test_a_file_in_two_sections_is_ambiguous():
    """The same file in two sections of the index: two clients take two records."""
    record = {str(FILE): {"sha256": SHA256}}
    both = json.dumps({"packages": record, "packages.conda": record}).encode()
    assert refusal({f"{BASE}/repodata.json": both}).code is Code.BIND_AMBIGUOUS


def test_bundle_and_sidecar_beside_a_file_are_joined_without_doubles(tmp_path):
    package = tmp_path / str(FILE)
    (tmp_path / f"{FILE}.sigs").write_bytes(b"[" + BUNDLE + b"]")
    (tmp_path / f"{FILE}.sigstore.json").write_bytes(BUNDLE + b"\n")
    found = attestations.beside(package, style="cep50")
    assert (len(found.bundles), len(found.places)) == (1, 2)


def test_older_sidecars_are_read_only_when_asked_for(tmp_path):
    package = tmp_path / str(FILE)
    (tmp_path / f"{FILE}.v0.sigs").write_bytes(b"[" + BUNDLE + b"]")
    assert attestations.beside(package, style="cep50").bundles == ()
    assert len(attestations.beside(package, style="prefix-v0").bundles) == 1


def test_an_older_sidecar_that_is_not_there_is_no_attestation():
    assert attestations.older_sidecar(f"{BASE}/{FILE}", served({})).bundles == ()


def test_a_broken_file_beside_a_package_is_not_passed_over(tmp_path):
    """A sidecar that was cut off must not let the rest be taken for all."""
    (tmp_path / f"{FILE}.sigs").write_bytes(b"[")
    (tmp_path / f"{FILE}.sigstore.json").write_bytes(BUNDLE)
    with pytest.raises(Malformed):
        attestations.beside(tmp_path / str(FILE), style="cep50")


def test_a_named_file_that_is_missing_is_a_usage_error(tmp_path):
    with pytest.raises(Misuse):
        attestations.given([tmp_path / "no.json"])
