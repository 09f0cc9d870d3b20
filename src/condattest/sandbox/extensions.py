"""What Fulcio makes of a token's claims: the certificate's name and its extensions.

Owns `Contents` and `of_claims`. Refuses claims that lack what their issuer always tells, and unverified addresses. An
issuer that it does not know is taken as one whose `sub` is a URI, so that policies for other services can be rehearsed.

Claims: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
Templates: https://github.com/sigstore/fulcio/blob/main/config/identity/config.yaml
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1

from condattest.model.signer import GITHUB_ISSUER, GITLAB_ISSUER
from condattest.sandbox.identity import EMAIL_ISSUER

ARC: Final = "1.3.6.1.4.1.57264.1."


@dataclass(frozen=True, slots=True)
class Contents:
    """A certificate's SANs, and its claims: the DER (or, for .1 to .6, the raw text) by the last arc of their OID."""

    names: tuple[x509.GeneralName, ...]
    claims: Mapping[int, bytes]


def of_claims(issuer: str, claims: Mapping[str, Any]) -> Contents:
    """Map the claims of a verified token, as Fulcio does.

    Raises:
        KeyError: A claim that the issuer's tokens always have is missing.
        ValueError: An email address that its issuer has not verified.
    """
    if issuer == EMAIL_ISSUER:
        # Dex only passes people on: Fulcio names the service where they logged in.
        issuer = claims.get("federated_claims", {}).get("connector_id", issuer)
    legacy = {1: issuer}
    if issuer == GITHUB_ISSUER:
        texts, old = _github(claims)
        legacy |= old
        name: x509.GeneralName = x509.UniformResourceIdentifier(texts[9])
    elif issuer == GITLAB_ISSUER:
        texts = _gitlab(claims)
        name = x509.UniformResourceIdentifier(texts[9])
    elif "email" in claims:
        if claims.get("email_verified") is not True:
            raise ValueError("email_verified claim was false")
        texts, name = {}, x509.RFC822Name(claims["email"])
    else:
        texts, name = {}, x509.UniformResourceIdentifier(claims["sub"])
    texts[8] = issuer
    encoded = {number: text.encode() for number, text in legacy.items()}
    encoded |= {number: asn1.encode_der(text) for number, text in sorted(texts.items())}
    return Contents((name,), encoded)


def _github(claims: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, str]]:
    host = "https://github.com/"
    repository = host + claims["repository"]
    texts = {
        9: host + claims["job_workflow_ref"],
        10: claims["job_workflow_sha"],
        11: claims["runner_environment"],
        12: repository,
        13: claims["sha"],
        14: claims["ref"],
        15: claims["repository_id"],
        16: host + claims["repository_owner"],
        17: claims["repository_owner_id"],
        18: host + claims["workflow_ref"],
        19: claims["workflow_sha"],
        20: claims["event_name"],
        21: f"{repository}/actions/runs/{claims['run_id']}/attempts/{claims['run_attempt']}",
        22: claims["repository_visibility"],
    }
    if "environment" in claims:
        texts[23] = claims["environment"]
    legacy = {
        2: claims["event_name"],
        3: claims["sha"],
        4: claims["workflow"],
        5: claims["repository"],
        6: claims["ref"],
    }
    return texts, legacy


def _gitlab(claims: Mapping[str, Any]) -> dict[int, str]:
    host = "https://gitlab.com/"
    config = f"https://{claims['ci_config_ref_uri']}"
    # As Fulcio's template has it: what is no branch is a tag.
    kind = "heads" if claims["ref_type"] == "branch" else "tags"
    texts = {
        9: config,
        10: claims["ci_config_sha"],
        11: claims["runner_environment"],
        12: host + claims["project_path"],
        13: claims["sha"],
        14: f"refs/{kind}/{claims['ref']}",
        15: claims["project_id"],
        16: host + claims["namespace_path"],
        17: claims["namespace_id"],
        18: config,
        19: claims["ci_config_sha"],
        20: claims["pipeline_source"],
        21: f"{host}{claims['project_path']}/-/jobs/{claims['job_id']}",
        22: claims["project_visibility"],
    }
    if "environment" in claims:
        texts[23] = claims["environment"]
    return texts
