"""A local Sigstore with real keys and real proofs, to rehearse with. Nobody trusts it by default.

It plays an OIDC issuer, Fulcio with its CT log, Rekor (API v1 with signed entry timestamps, and v2), and an RFC 3161
time-stamp authority. Clients verify what it signs only where they are given its trust root. Its keys are made when it
starts and die with it. `now` is an argument, so that its time can stand still; a second instance plays the attacker.

    with Sandbox(rekor=1, tsa=True).serve() as running:
        config = running.write(folder)                      # trust_config.json and trusted_root.json
        token = running.sandbox.token(github("me/pkg"))     # an identity token
    bundle = Sandbox().sign_statement(payload, github("me/pkg"))      # in process, without HTTP
"""

from condattest.sandbox.identity import Identity, email, github, gitlab
from condattest.sandbox.issuer import mint
from condattest.sandbox.sandbox import Sandbox
from condattest.sandbox.server import Faults, Running

__all__ = ["Faults", "Identity", "Running", "Sandbox", "email", "github", "gitlab", "mint"]
