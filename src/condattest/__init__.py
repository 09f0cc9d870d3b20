"""condattest: sign, publish, verify and audit attestations of conda packages.

Four questions, four verbs; imports run from the top of this tower to its bottom, never back:

    what was asked for?                    cli
    how is the answer shown?               reports
    may this be installed?   verify        operations   -> Verdict
    does policy allow that?  decide        policy       -> Verdict
    who signed it, and when? authenticate  signatures   -> Evidence       bytes in, bytes out: transport
    what do these bytes say? parse         formats      -> a value, or Malformed
    values                                 errors, model

`sandbox` is a local Sigstore for rehearsal; nothing trusts it by default.

Public names load when they are first used, so that importing the package costs nothing:

    from condattest import TrustRoot, authenticate
    evidence = authenticate(bundle_bytes, TrustRoot.production(offline=True))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from condattest._version import __version__

if TYPE_CHECKING:
    from condattest.errors import CondattestError, Malformed, NotAuthenticated, Unavailable
    from condattest.model.artifact import Artifact, PackageFile, Sha256
    from condattest.model.channel import Channel
    from condattest.model.evidence import Evidence, VerifiedTime
    from condattest.model.finding import Code, Finding, Severity
    from condattest.model.signer import Claims, Signer
    from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
    from condattest.policy.decide import decide
    from condattest.policy.rules import Policy
    from condattest.signatures.authenticate import authenticate
    from condattest.signatures.trust_root import TrustRoot

__all__ = [
    "Accepted",
    "Artifact",
    "Channel",
    "Claims",
    "Code",
    "CondattestError",
    "Evidence",
    "Finding",
    "Malformed",
    "NotAuthenticated",
    "PackageFile",
    "Policy",
    "Rejected",
    "Severity",
    "Sha256",
    "Signer",
    "TrustRoot",
    "Unavailable",
    "Undecided",
    "Verdict",
    "VerifiedTime",
    "__version__",
    "authenticate",
    "decide",
]

_HOMES = {
    "condattest.errors": ("CondattestError", "Malformed", "NotAuthenticated", "Unavailable"),
    "condattest.model.artifact": ("Artifact", "PackageFile", "Sha256"),
    "condattest.model.channel": ("Channel",),
    "condattest.model.evidence": ("Evidence", "VerifiedTime"),
    "condattest.model.finding": ("Code", "Finding", "Severity"),
    "condattest.model.signer": ("Claims", "Signer"),
    "condattest.model.verdict": ("Accepted", "Rejected", "Undecided", "Verdict"),
    "condattest.policy.decide": ("decide",),
    "condattest.policy.rules": ("Policy",),
    "condattest.signatures.authenticate": ("authenticate",),
    "condattest.signatures.trust_root": ("TrustRoot",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
