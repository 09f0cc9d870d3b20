"""What the sandbox signs, other programs verify; what others sign in the sandbox, condattest verifies."""

import asyncio
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from sigstore.dsse import Statement
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity as Named

from condattest.formats import sidecar
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from condattest.signatures.authenticate import authenticate
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import REPOSITORY, a_package, artifact_of, payload_for, signed

KINDS = [(1, False), (1, True), (2, True)]
SAN = f"https://github.com/{REPOSITORY}/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
kinds = pytest.mark.parametrize(("rekor", "tsa"), KINDS, ids=["v1", "v1-tsa", "v2"])

SIGSTORE_JS = """
import fs from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(process.argv[2] + '/');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toTrustMaterial, toSignedEntity } = require('@sigstore/verify');
const read = (path) => JSON.parse(fs.readFileSync(path));
const material = toTrustMaterial(TrustedRoot.fromJSON(read(process.argv[3])));
const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
const signer = verifier.verify(toSignedEntity(bundleFromJSON(read(process.argv[4]))));
console.log(signer.identity.subjectAlternativeName);
"""


@pytest.fixture(scope="module")
def box():
    return Sandbox()


@kinds
def test_sigstore_python_verifies_what_the_sandbox_signs(box, rekor, tsa):
    payload = b'{"any": "payload"}'
    bundle = box.sign_statement(payload, github(REPOSITORY), rekor=rekor, tsa=tsa)
    with box.serve() as running:
        config = ClientTrustConfig.from_json(running.trust_config_json())
    verifier = Verifier(trusted_root=config.trusted_root)
    policy = Named(identity=SAN, issuer=ISSUER)
    assert verifier.verify_dsse(Bundle.from_json(bundle), policy) == ("application/vnd.in-toto+json", payload)


@kinds
def test_sigstore_python_refuses_what_another_sandbox_signs(box, rekor, tsa):
    """The attacker runs a Sigstore of its own, and names whom it likes."""
    bundle = Bundle.from_json(Sandbox().sign_statement(b"{}", github(REPOSITORY), rekor=rekor, tsa=tsa))
    with box.serve() as running:
        config = ClientTrustConfig.from_json(running.trust_config_json())
    with pytest.raises(VerificationError):
        Verifier(trusted_root=config.trusted_root).verify_dsse(bundle, Named(identity=SAN, issuer=ISSUER))


@kinds
def test_condattest_verifies_what_sigstore_python_signs_over_http(rekor, tsa, tmp_path):
    payload = payload_for(artifact_of(a_package(tmp_path)))
    with Sandbox(rekor=rekor, tsa=tsa).serve() as running:
        config = ClientTrustConfig.from_json(running.trust_config_json())
        token = IdentityToken(running.sandbox.token(github(REPOSITORY)))
        with SigningContext.from_trust_config(config).signer(token) as signer:
            bundle = signer.sign_dsse(Statement(payload)).to_json().encode()
        trust = TrustRoot.from_json(running.trust_config_json().encode(), name="sandbox")
    evidence = authenticate(bundle, trust)
    assert (evidence.payload, evidence.signer.san) == (payload, SAN)
    assert [time.source for time in evidence.times] == ["log"] * (rekor == 1) + ["tsa"] * tsa


@kinds
def test_sigstore_python_signs_artifacts_over_http(rekor, tsa):
    """Plain signatures (hashedrekord) are not condattest's, but a sandbox that refuses them is no Sigstore."""
    with Sandbox(rekor=rekor, tsa=tsa).serve() as running:
        config = ClientTrustConfig.from_json(running.trust_config_json())
        token = IdentityToken(running.sandbox.token(github(REPOSITORY)))
        with SigningContext.from_trust_config(config).signer(token) as signer:
            bundle = signer.sign_artifact(b"artifact")
        Verifier(trusted_root=config.trusted_root).verify_artifact(
            b"artifact", bundle, Named(identity=SAN, issuer=ISSUER)
        )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):
        """Say nothing."""


def test_py_rattler_verifies_sidecars_of_every_kind(box, tmp_path):
    rattler = pytest.importorskip("rattler", reason="py-rattler has no wheel for this platform")
    from rattler import sigstore

    folder = tmp_path / "channel" / "noarch"
    folder.mkdir(parents=True)
    records = {}
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        channel = Channel(f"http://127.0.0.1:{server.server_port}/channel")
        for rekor, tsa in KINDS:
            package = a_package(folder, f"numbers{rekor}{int(tsa)}")
            data = sidecar.dump([signed(package, channel=channel, by=box, rekor=rekor, tsa=tsa)])
            digest = hashlib.sha256(data).hexdigest()
            for suffix in (".sigs", f".sigs.{digest}"):
                package.with_name(package.name + suffix).write_bytes(data)
            records[package.name] = {
                "name": f"numbers{rekor}{int(tsa)}", "version": "1.0", "build": "0", "build_number": 0,
                "subdir": "noarch", "noarch": "generic", "depends": [], "size": package.stat().st_size,
                "sha256": artifact_of(package).sha256, "attestations_sha256": digest,
            }  # fmt: skip
        repodata = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records}
        (folder / "repodata.json").write_text(json.dumps(repodata))

        async def verify():
            publisher = sigstore.Publisher(identity=SAN, issuer=sigstore.Issuer.github_actions())
            policy = sigstore.VerificationPolicy.require(publisher=publisher)
            root = sigstore.TrustedRoot.from_json(box.trusted_root_json())
            gateway = rattler.Gateway(cache_dir=tmp_path / "cache")
            found = await gateway.query(
                [rattler.Channel(channel.url)],
                [rattler.Subdir("noarch")],
                [record["name"] for record in records.values()],
            )
            return [await sigstore.verify_attestation(record, policy, trusted_root=root) for record in found[0]]

        try:
            outcomes = asyncio.run(verify())
        finally:
            server.shutdown()
            thread.join()
    assert len(outcomes) == len(KINDS)
    assert all(outcome.is_verified and outcome.attestation.checks.inclusion_proof for outcome in outcomes)
    assert {outcome.attestation.target_channel for outcome in outcomes} == {channel.url}


@kinds
def test_sigstore_js_verifies_what_the_sandbox_signs(box, tmp_path, rekor, tsa):
    modules = os.environ.get("CONDATTEST_SIGSTORE_JS")
    if not modules or shutil.which("node") is None:
        pytest.skip("needs node, and CONDATTEST_SIGSTORE_JS with the folder that has node_modules/@sigstore")
    script, root, bundle = tmp_path / "verify.mjs", tmp_path / "root.json", tmp_path / "bundle.json"
    script.write_text(SIGSTORE_JS)
    root.write_text(box.trusted_root_json())
    bundle.write_bytes(box.sign_statement(b"{}", github(REPOSITORY), rekor=rekor, tsa=tsa))
    done = subprocess.run(
        ["node", script, Path(modules).absolute(), root, bundle], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == SAN, done.stderr
