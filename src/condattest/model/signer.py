"""Say who signed: what a Fulcio certificate binds to a key.

Owns `Signer` and `Claims`. Values only: reading them from a certificate is `signatures.claims`, judging them is
`policy`. Claims follow Fulcio's OID table, 1.3.6.1.4.1.57264.1.* (sigstore/fulcio, docs/oid-info.md).
"""

from dataclasses import dataclass, fields
from typing import Final, Literal

SanKind = Literal["uri", "email", "other"]

_OF_A_RUN: Final = ("build_signer_digest", "source_repository_digest", "build_config_digest", "run_invocation_uri")
GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER: Final = "https://gitlab.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims under 1.3.6.1.4.1.57264.1; None where the certificate has no such extension.

    The number in each comment is the last arc of the claim's OID. `.1` to `.6` are the deprecated raw-text forms of
    GitHub; they are checked against their successors when the certificate is read, and are not shown.
    """

    build_signer_uri: str | None = None  # 9
    build_signer_digest: str | None = None  # 10
    runner_environment: str | None = None  # 11
    source_repository_uri: str | None = None  # 12
    source_repository_digest: str | None = None  # 13
    source_repository_ref: str | None = None  # 14
    source_repository_id: str | None = None  # 15
    source_repository_owner_uri: str | None = None  # 16
    source_repository_owner_id: str | None = None  # 17
    build_config_uri: str | None = None  # 18
    build_config_digest: str | None = None  # 19
    build_trigger: str | None = None  # 20
    run_invocation_uri: str | None = None  # 21
    source_repository_visibility: str | None = None  # 22
    deployment_environment: str | None = None  # 23
    token_subject: str | None = None  # 24

    def present(self) -> dict[str, str]:
        """The claims that the certificate has, by field name, in the order of their OIDs."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in found if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One authenticated signer: the certificate's only SAN, the OIDC issuer that vouched for it, and the claims."""

    san: str
    san_kind: SanKind
    issuer: str
    claims: Claims = Claims()

    def lasting(self) -> tuple[str | None, ...]:
        """All but what each run of a workflow has for itself, the run and the commits: no rule looks at those."""
        claims = (getattr(self.claims, field.name) for field in fields(Claims) if field.name not in _OF_A_RUN)
        return (self.san, self.san_kind, self.issuer, *claims)

    def __str__(self) -> str:
        return self.san
