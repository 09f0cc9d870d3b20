"""Turn findings into sentences. Wording lives here alone, so it is never API: match on codes.

Owns `sentence` and `advice`.
"""

from typing import Final

from condattest.model.finding import Code, Finding
from condattest.reports.plain import plain

_ADVICE: Final = {
    Code.BIND_DIGEST: "download the package again; if that does not help, do not install it and tell the channel",
    Code.BIND_NAME: "give the package the file name that it was published under",
    Code.BIND_NO_DIGEST: "lock with sha256 (conda list --explicit --sha256), or ask the channel to index with it",
    Code.BIND_INSTALLED: "install the package again from its channel",
    Code.CHANNEL_MISMATCH: "check --channel; a mirror is named in a policy's [[channel]]",
    Code.CHANNEL_ABSENT: 'only a policy with target-channel = "optional" accepts that',
    Code.MISSING_ATTESTATION: "give one with --bundle FILE, or ask the channel for attestations",
    Code.MISSING_PUBLISH: "ask the publisher for a CEP 27 attestation: condattest attest PKG --channel URL",
    Code.MISSING_THRESHOLD: "let another signer sign, too: condattest attest PKG, condattest patch cosign CHANNEL",
    Code.IDENTITY_MISMATCH: "condattest inspect FILE shows who signed; do not widen a policy to make this go away",
    Code.IDENTITY_NOT_REQUIRED: "say who must have signed: --repository OWNER/NAME, --identity with --issuer, --policy",
    Code.IDENTITY_PINNED: "ask the publisher who signs now; condattest policy learn --lock pins who is right",
    Code.POLICY_NONE: "add a rule for the package: condattest policy learn shows one",
    Code.NET_OFFLINE: "run it without --offline, or give the files: --bundle FILE",
    Code.NET_UNAVAILABLE: "try again; nothing was judged",
    Code.NET_NOT_FOUND: "check the URL; if it is right, try again later: the server does not have what should be there",
    Code.NET_TRUST_ROOT: "condattest doctor tells what works here",
    Code.CRYPTO: "check the trust root that was used (--trust-config, --staging); otherwise do not trust the bundle",
    Code.TIME_NONE: "sign again with a time-stamp authority that answers",
    Code.PATCH_NONE: "ask the channel whether it attests its patches; condattest patch attest makes a generation",
    Code.PATCH_REPLAY: "index again with these instructions, and attest what the indexer wrote",
    Code.PATCH_COSIGN: "do not sign it: ask its author; condattest patch verify shows what is unlike",
    Code.PATCH_ALLOWED: "index again; until then readers refuse the records that differ",
    Code.PATCH_SOURCE: "the given one is signed; check which of the two is right",
    Code.PATCH_MISSING: "try again; a mirror may lag behind its channel",
    Code.PATCH_REPLACED: "if you replaced it, say so: patch attest --replaced FILE; if not, find out who did",
    Code.PATCH_STRIPPED: "condattest patch blame shows what is missing; do not install from there",
    Code.PATCH_UNPROVEN: "put the archives back beside the index: without them it is only what the server says",
    Code.PATCH_UNATTRIBUTED: "do not install it; ask the channel who changed the record",
    Code.PATCH_HELD: "update the client's index or lock file, and solve again",
    Code.POLICY_NO_PATCH_RULE: "add a [[patch]] for the channel to the policy, or leave --patches out",
    Code.INDEX_FIELD_ALONE: "restore the sidecar; --drop removes the field, and the package becomes unattested",
    Code.INDEX_FIELD: "condattest index CHANNEL brings it in line",
    Code.SIDECAR_HASHED: "restore the file from a backup; condattest index makes a lost copy again where it can",
    Code.PUBLISH_BYTES: "build it with a new build number: published files keep their bytes, unless you --replace them",
    Code.PUBLISH_STALE: "run your indexer, and then: condattest index CHANNEL",
    Code.ARCHIVE_EXTRACTED: "remove that package's folder from the package cache, and install again",
    Code.ARCHIVE_GONE: "remove that folder from the package cache, and install again: the package is then downloaded",
    Code.ROLLBACK: "ask the channel why an older state is served; condattest doctor shows where the state is kept",
}


def sentence(finding: Finding) -> str:
    """Say what was found, in one line, without its code."""
    parts = [finding.code.meaning]
    if finding.where:
        parts.append(f"({plain(finding.where)})")
    facts = dict(finding.facts)
    expected, found, field = facts.pop("expected", None), facts.pop("found", None), facts.pop("field", None)
    if field is not None:
        parts.append(f"in {plain(field)}")
    tail = []
    if expected is not None:
        tail.append(f"expected {plain(expected)}")
    if found is not None:
        tail.append(f"found {plain(found)}")
    tail.extend(f"{name}: {plain(value)}" for name, value in facts.items())
    text = " ".join(parts)
    return f"{text}: {', '.join(tail)}" if tail else text


def advice(finding: Finding) -> str | None:
    """Say what to do next, where there is something to do."""
    return _ADVICE.get(finding.code)
