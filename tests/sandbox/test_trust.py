"""The documents load in sigstore's own models."""

import json

from sigstore.models import ClientTrustConfig

from condattest.sandbox import Sandbox
from condattest.sandbox.trust import trust_config


def test_the_trust_config_names_the_services_of_the_sandbox():
    sandbox = Sandbox(rekor=2)
    document = trust_config(sandbox.trusted_root(), "http://127.0.0.1:1", rekor=2, tsa=True)
    config = ClientTrustConfig.from_json(json.dumps(document)).signing_config
    assert config.get_fulcio().url == "http://127.0.0.1:1"
    assert [client.url for client in config.get_tsas()] == ["http://127.0.0.1:1/api/v1/timestamp"]
    assert config.get_tlogs()[0].url == "http://127.0.0.1:1/api/v2"


def test_without_stamps_no_authority_is_named_but_it_stays_trusted():
    sandbox = Sandbox()
    document = trust_config(sandbox.trusted_root(), "http://127.0.0.1:1", rekor=1, tsa=False)
    assert document["signingConfig"]["tsaUrls"] == []
    assert len(document["trustedRoot"]["timestampAuthorities"]) == 1
