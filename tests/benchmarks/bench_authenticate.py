"""authenticate against sigstore's own Bundle.from_json and Verifier.verify_dsse on the same bundle."""

import logging

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier
from sigstore.verify.policy import UnsafeNoOp

from condattest.formats import publish, statement
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.sandbox import Sandbox, github
from condattest.signatures.authenticate import authenticate
from condattest.signatures.trust_root import TrustRoot
from tests.benchmarks.timing import compare


def run() -> list[tuple[str, float, str]]:
    logging.disable(logging.WARNING)
    sandbox = Sandbox()
    trust = TrustRoot.from_json(sandbox.trusted_root_json().encode(), name="sandbox")
    with sandbox.serve() as running:
        config = ClientTrustConfig.from_json(running.trust_config_json())
    verifier = Verifier(trusted_root=config.trusted_root)
    artifact = Artifact.parse(f"numbers-1.0-0.conda@sha256:{'ab' * 32}")
    payload = statement.dump(publish.statement(artifact, Channel("https://conda.example/channel")))
    rows = []
    for label, rekor, tsa in (("log time", 1, False), ("TSA token, Rekor v2", 2, True), ("both times", 1, True)):
        bundle = sandbox.sign_statement(payload, github("me/numbers"), rekor=rekor, tsa=tsa)
        bare = lambda data=bundle: verifier.verify_dsse(Bundle.from_json(data), UnsafeNoOp())  # noqa: E731
        ours = lambda data=bundle: authenticate(data, trust)  # noqa: E731
        mine, floor = compare(ours, bare, number=100)
        rows.append((f"authenticate, {label}", mine * 1e3, f"ms; sigstore alone {floor * 1e3:.2f} ms"))
        rows.append((f"authenticate, {label}, ratio", mine / floor, "x"))
    return rows
