"""A trust root loads whole, or is refused; which one was used is always known."""

import hashlib
import json

import pytest

from condattest.errors import Misuse
from condattest.sandbox import Sandbox
from condattest.signatures import refresh
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import sandbox

ROOT = sandbox().trusted_root_json().encode()


def test_a_trusted_root_file_verifies_and_cannot_sign(tmp_path):
    path = tmp_path / "trusted_root.json"
    path.write_bytes(ROOT)
    root = TrustRoot.from_file(path)
    assert root.sha256 == hashlib.sha256(ROOT).hexdigest()
    assert root.name == str(path)
    assert not root.can_sign
    with pytest.raises(Misuse, match="where to sign"):
        _ = root.trust_config


def test_a_trust_config_can_sign():
    with Sandbox().serve() as running:
        root = TrustRoot.from_json(running.trust_config_json().encode(), name="config")
    assert root.can_sign
    assert root.trust_config.signing_config.get_fulcio().url == running.url


@pytest.mark.parametrize(("make", "instance"), [("production", refresh.PRODUCTION), ("staging", refresh.STAGING)])
def test_the_public_roots_load_offline_without_writing(make, instance, tmp_path):
    root = getattr(TrustRoot, make)(offline=True, cache=tmp_path)
    assert root.name == instance.name
    assert root.json == instance.shipped("trusted_root.json")
    assert root.can_sign
    assert list(tmp_path.iterdir()) == []


def _without(*path):
    document = json.loads(ROOT)
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
        b'{"mediaType":"application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"}',
        ROOT[:-10],
        ROOT.replace(b'"tlogs"', b'"tlogs":[],"tlogs"', 1),
        _without("mediaType"),
        _without("tlogs"),
        _without("certificateAuthorities"),
        _without("tlogs", 0, "publicKey"),
        _without("tlogs", 0, "logId"),
        _without("certificateAuthorities", 0, "certChain"),
    ],
)
def test_what_is_no_trust_root_is_refused(data):
    with pytest.raises(Misuse):
        TrustRoot.from_json(data, name="root")


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(Misuse, match="cannot be read"):
        TrustRoot.from_file(tmp_path / "no.json")
