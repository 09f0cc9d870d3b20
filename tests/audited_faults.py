"""Every kind of fault that is planted in channels for audits, and the codes that each is to be found under.

Owns `Fault`, `USUAL`, `FURTHER` and `EVERY`. The names of THREATS' manipulations are not repeated here: a fault is what
its function does to the package that it is planted in.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from cryptography import x509

from condattest.sandbox import github
from condattest.sandbox.extensions import of_claims
from tests.audited_package import GONE, NOW, OTHER, Draft, attacker, digest_of, milliseconds, provenance, sandbox

STRANGER = "mallory/feedstock"
SLSA = "slsa-provenance"


def nothing(draft: Draft) -> None:
    """The package is as it should be; the fault is in a policy, in its patches, or in what is beside it."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        plain: The codes that an audit without a policy finds for a package that has it.
        make: Puts it into a package.
        ruled: The codes under the policy of `audited_policy`; None where they are the same.
        stored: What a look at the files of the store finds beside that.
        versions: How many versions its packages have; the last one has the fault.
        is_whole: Whether every version has it.
        rule: What the policy's rule for its packages says beside the signers, as TOML; None where there is no rule.
        second: A second repository that the rule allows.
        signers: What the rule's signer says otherwise than the team's own entry.
        patch: What happens to the record after the generations of patches were signed, see `audited_patches`.
    """

    plain: tuple[str, ...] = ()
    make: Callable[[Draft], None] = nothing
    ruled: tuple[str, ...] | None = None
    stored: tuple[str, ...] = ()
    versions: int = 2
    is_whole: bool = False
    rule: str | None = ""
    second: str = ""
    signers: dict[str, str] = field(default_factory=dict)
    patch: str = ""

    def codes(self, *, ruled: bool) -> tuple[str, ...]:
        """The codes with or without the policy."""
        return self.ruled if ruled and self.ruled is not None else self.plain


def _unsigned(draft: Draft) -> None:
    draft.elements = []


def _by(**identity: str) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        draft.identity |= identity

    return make


def _stranger(draft: Draft) -> None:
    draft.team = STRANGER


def _says(payload: Callable[[Draft], bytes]) -> Callable[[Draft], None]:
    """Sign another statement."""

    def make(draft: Draft) -> None:
        draft.elements = [draft.sign(payload(draft))]

    return make


def _rewritten(change: Callable[[dict], None]) -> Callable[[Draft], bytes]:
    """A statement of which something is changed before it is signed."""

    def payload(draft: Draft) -> bytes:
        document = json.loads(draft.payload())
        change(document)
        return json.dumps(document).encode()

    return payload


def _changed(**changes: object) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        draft.changes |= changes

    return make


def _element(change: Callable[[dict], None]) -> Callable[[Draft], None]:
    """Change a bundle after it was signed."""

    def make(draft: Draft) -> None:
        document = json.loads(draft.sign())
        change(document)
        draft.elements = [json.dumps(document).encode()]

    return make


def _untrusted(draft: Draft) -> None:
    draft.elements = [draft.sign(by=attacker())]


def _flip(document: dict) -> None:
    payload = bytearray(base64.b64decode(document["dsseEnvelope"]["payload"]))
    payload[-3] ^= 1
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()


def _borrowed(draft: Draft) -> None:
    """The log entry of another bundle (CVE-2022-36056, CVE-2026-22703)."""
    mine, other = json.loads(draft.sign()), json.loads(draft.sign())
    mine["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    draft.elements = [json.dumps(mine).encode()]


def _token_of_another(draft: Draft, *, rekor: int) -> None:
    """A time-stamp token over another signature (CVE-2025-52556)."""
    mine = json.loads(draft.sign(rekor=rekor, tsa=False))
    other = json.loads(draft.sign(rekor=2, tsa=True))
    tokens = other["verificationMaterial"]["timestampVerificationData"]
    mine["verificationMaterial"]["timestampVerificationData"] = tokens
    draft.elements = [json.dumps(mine).encode()]


def _without_time(draft: Draft) -> None:
    draft.elements = [draft.sign(rekor=2, tsa=False)]


def _token_twice(draft: Draft) -> None:
    document = json.loads(draft.sign(tsa=True))
    document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] *= 2
    draft.elements = [json.dumps(document).encode()]


def _duplicate_key(draft: Draft) -> None:
    bundle = draft.sign()
    draft.elements = [bundle[:-1] + b', "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}']


def _media_type(document: dict) -> None:
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"


def _public_key(document: dict) -> None:
    document["verificationMaterial"]["publicKey"] = {"hint": "x"}
    del document["verificationMaterial"]["certificate"]


def _second_signature(document: dict) -> None:
    document["dsseEnvelope"]["signatures"] *= 2


def _no_entry(document: dict) -> None:
    document["verificationMaterial"]["tlogEntries"] = []


def _two_names(draft: Draft) -> None:
    who = github(draft.team)
    contents = of_claims(who.issuer, who.claims)
    names = (*contents.names, x509.UniformResourceIdentifier("https://github.com/other/name"))
    draft.elements = [sandbox().sign_as(replace(contents, names=names), draft.payload(), at=draft.signed)]


def _changed_sidecar(draft: Draft) -> None:
    draft.elements = [draft.sign()]
    draft.stored[".sigs.HEAD"] = b"[" + draft.elements[0] + b"] "


def _no_sidecar(draft: Draft) -> None:
    draft.stored |= {".sigs": None, ".sigs.HEAD": None}


def _data(make_data: Callable[[Draft], bytes]) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        draft.data = make_data(draft)

    return make


def _too_many(draft: Draft) -> None:
    draft.data = b"[" + b",".join([draft.sign()] * 129) + b"]"


def _one_of_two(draft: Draft) -> None:
    draft.elements = [draft.sign(), draft.sign(by=attacker())]


def _with_provenance(draft: Draft) -> None:
    draft.elements = [draft.sign(), draft.sign(provenance(draft.file, draft.digest))]


def _field(change: Callable[[str], object]) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        draft.elements = [draft.sign()]
        head = digest_of((b"[" + draft.elements[0] + b"]").decode())
        draft.changes["attestations_sha256"] = change(head)

    return make


def _late(draft: Draft) -> None:
    draft.changes["indexed_timestamp"] = milliseconds(draft.signed - timedelta(days=30))


def _orphan(draft: Draft) -> None:
    draft.is_listed = False


def _twice(draft: Draft) -> None:
    draft.is_twice = True


def _no_mutable(draft: Draft) -> None:
    draft.stored[".sigs"] = None


def _no_hashed(draft: Draft) -> None:
    # Behind a URL it cannot be had either, so that the row says what `no-sidecar` says.
    draft.stored[".sigs.HEAD"] = None


def _forgotten(draft: Draft) -> None:
    """An older version of the sidecar has an element that the current one lacks."""
    older = b"[" + draft.sign() + b"]"
    draft.stored[f".sigs.{digest_of(older.decode())}"] = older


def _stripped(draft: Draft) -> None:
    """The sidecars are there, and the record does not name them any more, as after an indexer that knows no field."""
    draft.changes["attestations_sha256"] = GONE


_BAD_SHAPE = ("SIDECAR-SHAPE",)
_ALONE = ("SIDECAR-SHAPE", "INDEX-FIELD-ALONE")
# To a look at the store, a sidecar without a bundle that says which bytes it is about is one about other bytes.
_FOREIGN = ("SIDECAR-OTHER", "INDEX-FIELD-ALONE")
_OTHER_SIGNER = ("IDENTITY-MISMATCH",)

# What every channel for audits has unless it is told otherwise.
USUAL: dict[str, Fault] = {
    "unattested": Fault(("AUDIT-UNATTESTED",), _unsigned, versions=5, is_whole=True),
    "downgrade": Fault(("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE"), _unsigned, versions=5),
    "stranger": Fault(("AUDIT-SIGNER-CHANGED",), _stranger, ("AUDIT-SIGNER-CHANGED", *_OTHER_SIGNER), versions=5),
    # The same names by somebody else: only the numbers tell.
    "taken-over": Fault(
        ("AUDIT-SIGNER-CHANGED",),
        _by(repository_id="666", owner_id="666"),
        ("AUDIT-SIGNER-CHANGED", *_OTHER_SIGNER),
        versions=5,
    ),
    "other-bytes": Fault(
        ("BIND-DIGEST",), _says(lambda draft: draft.payload(digest=digest_of("other"))), stored=_FOREIGN, versions=5
    ),
    "other-name": Fault(
        ("BIND-NAME",), _says(lambda draft: draft.payload(file=f"{draft.name}-9.9-0.conda")), versions=5
    ),
    "other-channel": Fault(("CHANNEL-MISMATCH",), _says(lambda draft: draft.payload(channel=OTHER)), versions=5),
    "untrusted": Fault(("CRYPTO",), _untrusted, versions=5),
    "provenance-only": Fault(
        ("MISSING-PUBLISH",), _says(lambda draft: provenance(draft.file, draft.digest)), versions=5
    ),
    "changed-sidecar": Fault(("SIDECAR-DIGEST",), _changed_sidecar, stored=("SIDECAR-HASHED",), versions=5),
    "no-sidecar": Fault(("NET-NOT-FOUND",), _no_sidecar, stored=("INDEX-FIELD-ALONE",), versions=5),
    "broken-sidecar": Fault(_BAD_SHAPE, _data(lambda draft: b"{}"), stored=_ALONE, versions=5),
    "broken-field": Fault(("SIDECAR-FIELD",), _field(str.upper), stored=("INDEX-FIELD",), versions=5),
    "no-digest": Fault(("BIND-NO-DIGEST",), _changed(sha256=GONE), versions=5),
    "pretence": Fault(("BIND-METADATA",), _changed(name="numpy"), versions=5),
    "late": Fault(("AUDIT-LATE",), _late, versions=5),
    "future": Fault(
        ("AUDIT-INDEXED-TIME",), _changed(indexed_timestamp=milliseconds(NOW + timedelta(days=9000))), versions=5
    ),
    "once": Fault(("AUDIT-SEEN-ONCE",), versions=1),
    "orphan": Fault((), _orphan, stored=("INDEX-ORPHAN",), versions=5),
    "no-mutable": Fault((), _no_mutable, stored=("SIDECAR-MUTABLE",), versions=5),
}

FURTHER: dict[str, Fault] = {
    # The record.
    "short-field": Fault(("SIDECAR-FIELD",), _field(lambda head: head[:63]), stored=("INDEX-FIELD",)),
    "null-field": Fault(("SIDECAR-FIELD",), _field(lambda head: None), stored=("INDEX-FIELD",)),
    "list-field": Fault(("SIDECAR-FIELD",), _field(lambda head: [head]), stored=("INDEX-FIELD",)),
    "upper-digest": Fault(("BIND-NO-DIGEST",), _changed(sha256="AB" * 32)),
    "other-version": Fault(("BIND-METADATA",), _changed(version="9.9")),
    "other-build": Fault(("BIND-METADATA",), _changed(build="1")),
    "other-subdir": Fault(("BIND-METADATA",), _changed(subdir="linux-32")),
    "no-date": Fault(("AUDIT-INDEXED-TIME",), _changed(indexed_timestamp=2**62)),
    "twice": Fault(("BIND-AMBIGUOUS",), _twice),
    "field-dropped": Fault(("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE"), _stripped, stored=("INDEX-FIELD",)),
    # The sidecar.
    "empty-array": Fault(_BAD_SHAPE, _data(lambda draft: b"[]"), stored=_ALONE),
    "bare-bundle": Fault(_BAD_SHAPE, _data(Draft.sign), stored=_ALONE),
    "junk-element": Fault(_BAD_SHAPE, _data(lambda draft: b"[" + draft.sign() + b",{}]"), stored=_ALONE),
    "duplicate-key": Fault(_BAD_SHAPE, _duplicate_key, stored=_ALONE),
    "unknown-field": Fault(_BAD_SHAPE, _element(lambda bundle: bundle.update(extra=1)), stored=_ALONE),
    "old-bundle": Fault(_BAD_SHAPE, _element(_media_type), stored=_ALONE),
    "public-key": Fault(_BAD_SHAPE, _element(_public_key), stored=_ALONE),
    "two-signatures": Fault(_BAD_SHAPE, _element(_second_signature), stored=_ALONE),
    "no-entry": Fault(_BAD_SHAPE, _element(_no_entry), stored=_ALONE),
    "token-twice": Fault(_BAD_SHAPE, _token_twice, stored=_ALONE),
    "too-many": Fault(("SIDECAR-SIZE",), _too_many, stored=("SIDECAR-SIZE", "INDEX-FIELD-ALONE")),
    "one-of-two": Fault(("SIDECAR-ELEMENT",), _one_of_two),
    "with-provenance": Fault(("SIDECAR-ELEMENT",), _with_provenance),
    "no-hashed": Fault(("NET-NOT-FOUND",), _no_hashed, stored=("SIDECAR-HASHED",)),
    "forgotten": Fault((), _forgotten, stored=("SIDECAR-LOST", "INDEX-FIELD")),
    # The bundle.
    "flipped": Fault(("CRYPTO",), _element(_flip), stored=_FOREIGN),
    "borrowed": Fault(("CRYPTO",), _borrowed),
    "no-time": Fault(("TIME-NONE",), _without_time),
    "foreign-token": Fault(("TIME-NONE",), lambda draft: _token_of_another(draft, rekor=2)),
    "dropped-token": Fault(("TIME-DROPPED",), lambda draft: _token_of_another(draft, rekor=1)),
    "two-names": Fault(("IDENTITY-CERTIFICATE",), _two_names),
    # The statement.
    "text": Fault(
        ("STMT-TYPE",),
        lambda draft: setattr(draft, "elements", [draft.sign(payload_type="text/plain")]),
        stored=_FOREIGN,
    ),
    "old-statement": Fault(
        ("STMT-TYPE",),
        _says(_rewritten(lambda said: said.update(_type="https://in-toto.io/Statement/v0.1"))),
        stored=_FOREIGN,
    ),
    "no-json": Fault(("STMT-JSON",), _says(lambda draft: draft.payload()[:-1]), stored=_FOREIGN),
    "two-subjects": Fault(("STMT-SUBJECT",), _says(_rewritten(lambda said: said.update(subject=said["subject"] * 2)))),
    "suffix": Fault(
        ("STMT-PREDICATE",), _says(_rewritten(lambda said: said.update(predicateType=said["predicateType"] + ".x")))
    ),
    "bad-channel": Fault(
        ("STMT-TARGET-CHANNEL",),
        _says(_rewritten(lambda said: said["predicate"].update(targetChannel="https://conda.example/audited/"))),
    ),
    "no-channel": Fault(("CHANNEL-ABSENT",), _says(lambda draft: draft.payload(channel=None))),
    # Who signs.
    "trigger": Fault((), _by(trigger="pull_request_target"), _OTHER_SIGNER),
    "branch": Fault((), _by(ref="refs/heads/main-evil"), _OTHER_SIGNER),
    "workflow": Fault((), _by(workflow=".github/workflows/release.yml2"), _OTHER_SIGNER),
    "self-hosted": Fault((), _by(runner_environment="self-hosted"), _OTHER_SIGNER),
    "reusable": Fault(
        (), _by(build_signer="https://github.com/other/flows/.github/workflows/x.yml@refs/heads/main"), _OTHER_SIGNER
    ),
    # What only a policy can say.
    "no-rule": Fault((), nothing, ("POLICY-NONE",), versions=1, rule=None),
    "revoked": Fault((), nothing, ("IDENTITY-REVOKED",)),
    "retired": Fault((), nothing, _OTHER_SIGNER, versions=1, signers={"valid": "{ until = 2026-01-01 }"}),
    "two-wanted": Fault((), nothing, ("MISSING-THRESHOLD",), versions=1, rule="threshold = 2", second=STRANGER),
    "provenance-wanted": Fault(
        (),
        nothing,
        ("MISSING-PUBLISH",),
        versions=1,
        rule=f'attestations = ["publish", "{SLSA}"]\nbuilder = "https://x.example"',
    ),
    "young": Fault((), nothing, ("POLICY-TOO-YOUNG",), versions=1, rule='min-age = "3650d"'),
    "baseline": Fault(("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE"), _unsigned, ("POLICY-BASELINE",)),
    "excused": Fault(
        ("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE"),
        _unsigned,
        ("POLICY-REPORT-ONLY",),
        rule='action = "report"\nreason = "not yet"\nexpires = 2100-01-01',
    ),
    # Patches of the record.
    "patched": Fault((), nothing, (), patch="nothing"),
    "patch-stripped": Fault((), nothing, ("PATCH-STRIPPED",), patch="stripped"),
    "patch-other": Fault((), nothing, ("PATCH-UNATTRIBUTED",), patch="other"),
    "patch-unlisted": Fault((), nothing, (), patch="unlisted"),
    "patch-key": Fault((), nothing, ("PATCH-KEY",), patch="key"),
    "patch-removed": Fault((), nothing, ("PATCH-REMOVED",), patch="removed"),
    "patch-replaced": Fault((), nothing, ("PATCH-RECORD",), patch="replaced"),
    "patch-old": Fault((), nothing, ("ROLLBACK",), patch="old"),
    "patch-lag": Fault((), nothing, ("PATCH-LAG",), patch="lag"),
}
EVERY: dict[str, Fault] = USUAL | FURTHER
