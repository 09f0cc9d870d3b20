"""Say what is wrong as data: a code, where, and the facts. Sentences are written in `reports` alone.

Codes are API: machines match on them, so a code keeps its meaning. The prefix is the class of what was manipulated or
missing: BUNDLE, CRYPTO, TIME, STMT, BIND, SUBDIR, CHANNEL, MISSING, IDENTITY, SIDECAR, INDEX, PUBLISH, PATCH, FRESH,
ROLLBACK, AUDIT, POLICY, ARCHIVE, NET, TRUST.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self


class Severity(StrEnum):
    """How bad a finding is: an error rejects, an unknown leaves undecided, a warning and a note are only told."""

    ERROR = "error"
    UNKNOWN = "unknown"
    WARNING = "warning"
    NOTE = "note"


_E, _U, _W, _N = Severity.ERROR, Severity.UNKNOWN, Severity.WARNING, Severity.NOTE


class Code(StrEnum):
    """Every finding that condattest reports, each with its severity and a one-line meaning."""

    severity: Severity
    meaning: str

    def __new__(cls, value: str, severity: Severity, meaning: str) -> Self:
        """Make the member a plain string that carries its severity and meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.meaning = meaning
        return member

    @property
    def anchor(self) -> str:
        """The anchor of the code's entry in the README's table of findings."""
        return self.value.lower()

    BUNDLE_JSON = "BUNDLE-JSON", _E, "the bundle is not strict JSON"
    BUNDLE_SHAPE = "BUNDLE-SHAPE", _E, "the bundle has a missing, unknown or badly typed field"
    BUNDLE_MEDIA_TYPE = "BUNDLE-MEDIA-TYPE", _E, "the bundle is of another version than Sigstore bundle v0.3"
    BUNDLE_CONTENT = "BUNDLE-CONTENT", _E, "the bundle does not hold exactly one DSSE envelope with one signature"
    BUNDLE_LOG = "BUNDLE-LOG", _E, "the bundle does not hold exactly one usable transparency log entry"
    BUNDLE_SIZE = "BUNDLE-SIZE", _E, "the bundle is larger than a bundle may be"

    CRYPTO = "CRYPTO", _E, "the signature, certificate or log entry does not verify under the trust root"
    CRYPTO_WINDOW = "CRYPTO-WINDOW", _E, "a key of the trust root was used outside its validity window"

    TIME_NONE = "TIME-NONE", _E, "no trusted time remains for the signature"
    TIME_TOKENS = "TIME-TOKENS", _E, "too many time-stamp tokens, or the same one twice"
    TIME_DROPPED = "TIME-DROPPED", _N, "a time-stamp token that does not verify was left out"

    STMT_JSON = "STMT-JSON", _E, "the signed payload is not strict JSON"
    STMT_TYPE = "STMT-TYPE", _E, "the payload is not an in-toto Statement v1"
    STMT_SUBJECT = "STMT-SUBJECT", _E, "the statement's subject is not what its predicate type demands"
    STMT_PREDICATE = "STMT-PREDICATE", _E, "the predicate type or the predicate is not of a known, exact form"
    STMT_TARGET_CHANNEL = "STMT-TARGET-CHANNEL", _E, "targetChannel is not a canonical channel URL"

    BIND_NAME = "BIND-NAME", _E, "the statement names another package file"
    BIND_DIGEST = "BIND-DIGEST", _E, "the statement is about other bytes"
    BIND_METADATA = "BIND-METADATA", _E, "the package's own metadata does not agree with its file name or place"
    BIND_NO_DIGEST = "BIND-NO-DIGEST", _E, "the index record, or the list, has no sha256 to bind to"
    SUBDIR_UNCHECKED = (
        "SUBDIR-UNCHECKED",
        _N,
        "without the archive, its own subdir was not compared",
    )
    BIND_INSTALLED = "BIND-INSTALLED", _E, "an installed package is not recorded well enough to be verified"
    BIND_AMBIGUOUS = "BIND-AMBIGUOUS", _E, "the index lists the same file more than once"

    CHANNEL_MISMATCH = "CHANNEL-MISMATCH", _E, "the statement was made for another channel"
    CHANNEL_ABSENT = "CHANNEL-ABSENT", _E, "the statement names no channel and one is required"
    CHANNEL_FROM_STATEMENT = "CHANNEL-FROM-STATEMENT", _N, "no channel was given; the signed targetChannel was used"

    MISSING_ATTESTATION = "MISSING-ATTESTATION", _E, "no attestation was found where one is required"
    MISSING_PUBLISH = "MISSING-PUBLISH", _E, "there are attestations, but none of the required kind"
    MISSING_THRESHOLD = "MISSING-THRESHOLD", _E, "fewer distinct signers than the policy demands"
    MISSING_PACKAGE = "MISSING-PACKAGE", _E, "the channel's index does not list the package"

    IDENTITY_MISMATCH = "IDENTITY-MISMATCH", _E, "the signer is not one that the policy allows"
    IDENTITY_CERTIFICATE = "IDENTITY-CERTIFICATE", _E, "the certificate's identity claims are missing or contradictory"
    IDENTITY_PUBLIC_KEY = "IDENTITY-PUBLIC-KEY", _E, "the bundle is signed by a bare key, which names nobody"
    IDENTITY_NOT_REQUIRED = "IDENTITY-NOT-REQUIRED", _U, "the signer is authentic, but nobody was required"
    IDENTITY_PINNED = "IDENTITY-PINNED", _E, "the package is not signed by whom the lock file's identities pin"
    IDENTITY_UNPINNED = "IDENTITY-UNPINNED", _N, "the lock file's identities say nothing of the package"
    IDENTITY_REVOKED = "IDENTITY-REVOKED", _E, "the policy revokes this digest or signer"

    SIDECAR_FIELD = "SIDECAR-FIELD", _E, "attestations_sha256 is not 64 lowercase hex digits"
    SIDECAR_DIGEST = "SIDECAR-DIGEST", _E, "the sidecar's bytes are not those that its digest names"
    SIDECAR_SHAPE = "SIDECAR-SHAPE", _E, "the sidecar is not a JSON array of Sigstore bundles"
    SIDECAR_SIZE = "SIDECAR-SIZE", _E, "the sidecar has more bytes or elements than a sidecar may have"
    SIDECAR_HASHED = "SIDECAR-HASHED", _E, "the hashed sidecar of the current attestations is missing"
    SIDECAR_MUTABLE = "SIDECAR-MUTABLE", _E, "the .sigs file is missing or is unlike the newest hashed sidecar"
    SIDECAR_LOST = "SIDECAR-LOST", _E, "the current sidecar lacks an attestation that an older one has"
    SIDECAR_OTHER = "SIDECAR-OTHER", _W, "the sidecar is about other bytes than those of the index record"
    SIDECAR_ELEMENT = "SIDECAR-ELEMENT", _N, "one attestation of several was not counted"

    INDEX_FIELD = "INDEX-FIELD", _E, "the index record does not name the package's current sidecar"
    INDEX_FIELD_ALONE = "INDEX-FIELD-ALONE", _E, "the index record names a sidecar, and there is none"
    INDEX_ORPHAN = "INDEX-ORPHAN", _W, "there is a sidecar for a package that no index lists"
    INDEX_DISAGREE = "INDEX-DISAGREE", _E, "two files of the index disagree about the package"
    INDEX_V3 = "INDEX-V3", _E, "a record of the v3 section is not copied to another index"
    INDEX_SHARDS = "INDEX-SHARDS", _E, "the shards cannot be read or written where the shard index says that they are"

    PUBLISH_BYTES = "PUBLISH-BYTES", _E, "the channel has other bytes under the package's name"
    PUBLISH_STALE = "PUBLISH-STALE", _W, "the index lists other bytes under the name; its record names no sidecar now"
    PUBLISH_UNINDEXED = "PUBLISH-UNINDEXED", _N, "no index lists the package yet, so nothing advertises its sidecar"
    PUBLISH_ANYONE = "PUBLISH-ANYONE", _N, "nobody was required: any authentic signer was taken"
    PUBLISH_UNATTESTED = "PUBLISH-UNATTESTED", _W, "the package was copied without any attestation"

    PATCH_NONE = "PATCH-NONE", _E, "the channel has no attested generation of patches for the subdir"
    PATCH_STATEMENT = "PATCH-STATEMENT", _E, "the statement is not one of a generation of patches"
    PATCH_GENERATION = "PATCH-GENERATION", _E, "the generation is of another role, or its bundles disagree"
    PATCH_FILE = "PATCH-FILE", _E, "a file of a generation is not what its digest or its form demands"
    PATCH_MISSING = "PATCH-MISSING", _U, "a file of a generation could not be found"
    PATCH_RECORD = "PATCH-RECORD", _E, "a record is not what the generations make of it, or has no digest"
    PATCH_AS_BUILT = "PATCH-AS-BUILT", _E, "a record as built changed, though its archive did not"
    PATCH_REPLACED = "PATCH-REPLACED", _E, "another archive took the name of one that the generations list"
    PATCH_UNPROVEN = "PATCH-UNPROVEN", _U, "no archive proved a record as built"
    PATCH_COUNTS = "PATCH-COUNTS", _E, "a generation counts other records than its files have"
    PATCH_UNATTRIBUTED = "PATCH-UNATTRIBUTED", _E, "a record is served with a change that no generation explains"
    PATCH_STRIPPED = "PATCH-STRIPPED", _E, "a record is served without a change that a generation made"
    PATCH_SUPERSEDED = "PATCH-SUPERSEDED", _N, "the record that is held is an earlier state of the channel's"
    PATCH_HELD = "PATCH-HELD", _E, "the record that a client holds is not the one that the channel serves"
    PATCH_KEY = "PATCH-KEY", _E, "a patch changes a key that the policy does not allow to be patched"
    PATCH_REPLAY = "PATCH-REPLAY", _E, "the instructions do not give what is served"
    PATCH_COSIGN = "PATCH-COSIGN", _E, "a replay does not give what the generation says, so it is not signed"
    PATCH_ALLOWED = "PATCH-ALLOWED", _W, "patches were signed though the channel serves something else"
    PATCH_SOURCE = "PATCH-SOURCE", _W, "the patch package names another source than the one that is given"
    PATCH_BACKWARDS = "PATCH-BACKWARDS", _E, "a generation was signed before the one that it follows"
    PATCH_INSTRUCTIONS = "PATCH-INSTRUCTIONS", _E, "the patch instructions are not well-formed"
    PATCH_CRASH = "PATCH-CRASH", _E, "the indexer would fail on this"
    PATCH_SERVER_KEY = "PATCH-SERVER-KEY", _E, "an instruction touches a key that the server sets"
    PATCH_UNREPRODUCED = "PATCH-UNREPRODUCED", _U, "what the indexer makes of an instruction cannot be foretold"
    PATCH_REMOVED = "PATCH-REMOVED", _E, "a generation removed the package from the channel"
    PATCH_UNSEEN = "PATCH-UNSEEN", _U, "no observer has seen the record as it is served"
    PATCH_LAG = "PATCH-LAG", _N, "the index is not yet up to the newest generation"
    PATCH_WITNESSED = "PATCH-WITNESSED", _N, "an observer saw the record; its author did not sign it"
    PATCH_NOT_JUDGED = "PATCH-NOT-JUDGED", _N, "without an index record its patches cannot be judged"
    PATCH_UNLISTED = "PATCH-UNLISTED", _N, "no generation lists the record, and without the archive nothing proves it"
    PATCH_REPORTED = "PATCH-REPORTED", _W, "patches are only reported, and would have been a reason to reject"
    PATCH_DROPPED = "PATCH-DROPPED", _N, "the indexer passes an instruction over"

    FRESH_STALE = "FRESH-STALE", _E, "the newest generation of patches is older than the policy's max-age"

    ROLLBACK = "ROLLBACK", _E, "this machine has seen a newer state than the one that is served"
    ROLLBACK_UNATTESTED = "ROLLBACK-UNATTESTED", _E, "a package that was attested is served without its attestation"

    ROLLBACK_NOT_REMEMBERED = "ROLLBACK-NOT-REMEMBERED", _W, "what was seen could not be written down"

    AUDIT_UNATTESTED = "AUDIT-UNATTESTED", _W, "the index lists the package without an attestation"
    AUDIT_SIGNER_CHANGED = "AUDIT-SIGNER-CHANGED", _W, "the package is signed by another than the version before"
    AUDIT_DOWNGRADE = "AUDIT-DOWNGRADE", _W, "the package is not attested, and an earlier version is"
    AUDIT_LATE = "AUDIT-LATE", _W, "the package was attested long after it was indexed"
    AUDIT_INDEXED_TIME = "AUDIT-INDEXED-TIME", _W, "the server's indexed_timestamp contradicts the trusted time"
    AUDIT_SEEN_ONCE = "AUDIT-SEEN-ONCE", _N, "the identity signed no other package of the channel"

    POLICY_NONE = "POLICY-NONE", _E, "no rule of the policy is about this package"
    POLICY_FILE = "POLICY-FILE", _E, "the policy file is not valid"
    POLICY_REPORT_ONLY = "POLICY-REPORT-ONLY", _W, "a rule in report mode let a package pass that failed"
    POLICY_BASELINE = "POLICY-BASELINE", _N, "accepted by digest: the package is in the policy's baseline"
    POLICY_TOO_YOUNG = "POLICY-TOO-YOUNG", _E, "the attestation is younger than the policy's min-age"
    POLICY_NO_PATCH_RULE = "POLICY-NO-PATCH-RULE", _E, "patches must be judged, and no [[patch]] is about the channel"
    POLICY_PATCHES_NOT_JUDGED = "POLICY-PATCHES-NOT-JUDGED", _N, "the policy has no [[patch]] for this channel"

    ARCHIVE_FORMAT = "ARCHIVE-FORMAT", _E, "the file is not a well-formed conda package"
    ARCHIVE_BOMB = "ARCHIVE-BOMB", _E, "the package expands beyond what its metadata may take"
    ARCHIVE_PATH = "ARCHIVE-PATH", _E, "the package has a member with a dangerous path or type"

    ARCHIVE_PARTLY_READ = "ARCHIVE-PARTLY-READ", _N, "only the first metadata of a large .tar.bz2 was read"

    ARCHIVE_EXTRACTED = "ARCHIVE-EXTRACTED", _E, "the extracted files are not those of the archive"
    ARCHIVE_GONE = "ARCHIVE-GONE", _U, "the archive that the extracted files came from is gone, so nothing proves them"

    NET_UNAVAILABLE = "NET-UNAVAILABLE", _U, "something could not be fetched"
    NET_NOT_FOUND = "NET-NOT-FOUND", _U, "something that is advertised was not found"
    NET_LIMIT = "NET-LIMIT", _U, "an answer was larger or slower than allowed"
    NET_OFFLINE = "NET-OFFLINE", _U, "a fact would need the network, and --offline forbids it"
    NET_TRUST_ROOT = "NET-TRUST-ROOT", _U, "the trust root could not be had"
    NET_FILE = "NET-FILE", _U, "a local file could not be read"
    TRUST_ROOT_AGE = "TRUST-ROOT-AGE", _N, "the trust root in use was not refreshed"


CODES: Final[Mapping[str, Code]] = {code.value: code for code in Code}
"""Every code by its text."""
Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: its code, where (a file, a URL, a JSON path), and the facts that show it.

    Facts are short texts by name; `expected` and `found` are the usual ones.
    """

    code: Code
    where: str = ""
    facts: Facts = field(default_factory=dict)

    @classmethod
    def of(cls, code: Code, where: object = "", **facts: object) -> Self:
        """Make a finding; facts that are None are left out, other values become text."""
        kept = {name: str(value) for name, value in facts.items() if value is not None}
        return cls(code, str(where), kept)

    def at(self, where: object) -> "Finding":
        """The same finding at a place named more exactly; a place it already has is kept behind it."""
        place = f"{where}: {self.where}" if self.where else str(where)
        return Finding(self.code, place, self.facts)

    def __hash__(self) -> int:
        return hash((self.code, self.where, tuple(sorted(self.facts.items()))))
