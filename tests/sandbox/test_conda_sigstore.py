"""conda-sigstore verifies what the sandbox signs, given the sandbox's trust config. Runs where conda is importable."""

import pytest

from condattest.sandbox import Sandbox, github
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, artifact_of, payload_for

pytest.importorskip("conda", reason="conda is on no package registry; install it from its source to run this")
verification = pytest.importorskip("conda_sigstore.verification", reason="conda-sigstore is not installed")


@pytest.mark.parametrize(("rekor", "tsa"), [(1, False), (1, True), (2, True)], ids=["v1", "v1-tsa", "v2"])
def test_conda_sigstore_verifies_what_the_sandbox_signs(tmp_path, rekor, tsa):
    payload = payload_for(artifact_of(a_package(tmp_path)), CHANNEL)
    sandbox = Sandbox(rekor=rekor, tsa=tsa)
    bundle = sandbox.sign_statement(payload, github(REPOSITORY))
    with sandbox.serve() as running:
        config = running.write(tmp_path)
    verified = verification.SigstoreVerifier(trust_config=config).verify(bundle.decode())
    assert verified.payload == payload
    assert REPOSITORY in verified.signer.identity
