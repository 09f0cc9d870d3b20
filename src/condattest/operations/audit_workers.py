"""What a process that verifies sidecars does: read them, parse them, authenticate their bundles.

Owns `Unverified`, `Outcome`, `Verifier`, `read`, and for processes of their own `begin` and `verify`. What goes wrong
with one sidecar is said of that one.
"""

import gc
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from condattest.errors import LocalFailure, Malformed, Unavailable
from condattest.formats import evidence as codec
from condattest.formats.bundle import Bundle
from condattest.formats.sidecar import MAX_SIDECAR
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import Collected, advertised_sidecar, digest_of
from condattest.operations.judgement import authenticate_all, of_outage
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import Origin


class Unverified(NamedTuple):
    """A sidecar that is to be verified.

    Attributes:
        path: Its path in the channel.
        sidecar: Its digest, as hex digits.
        roots: The digests of the trust roots that may apply.
        data: Its bytes, or why they could not be had; None where they are to be read.
    """

    path: str
    sidecar: str
    roots: tuple[str, ...]
    data: bytes | Finding | None


class Outcome(NamedTuple):
    """What a sidecar proves.

    Attributes:
        evidence: As bytes, as another process and a store need it.
        failures: Why bundles were not authenticated.
        problem: Why there is nothing at all.
    """

    evidence: list[bytes]
    failures: tuple[Finding, ...] = ()
    problem: Finding | None = None


def read(origin: Origin, path: str) -> bytes | Finding:
    """The bytes of a sidecar, or why they could not be had."""
    try:
        return origin.read(path, MAX_SIDECAR)
    except Unavailable as error:
        return of_outage(error).findings[0]  # type: ignore[union-attr]
    except LocalFailure as error:
        return Finding.of(Code.NET_FILE, path, reason=error, hint=error.hint or None)


class Verifier:
    """What one process verifies with.

    Args:
        name: The channel's name.
        origin: The channel; None where sidecars come with their bytes.
        roots: Every trust root that may apply, by digest.
        store: What was proved before; None where that is nothing.
        held: So many bytes of sidecars are held at a time, but for the last one.
    """

    def __init__(
        self,
        name: str,
        origin: Origin | None,
        roots: Mapping[Sha256, TrustRoot],
        store: EvidenceStore | None,
        held: int,
    ) -> None:
        self.name, self.origin, self.roots, self.store, self.held = name, origin, roots, store, held

    def outcomes(self, task: Sequence[Unverified]) -> list[Outcome]:
        """Verify sidecars."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(task):
            # Many are read, then parsed, then verified: to go from one work to another each time takes a quarter more.
            there, size = [], 0
            for each in task[len(outcomes) :]:
                there.append(data := each.data if each.data is not None else self._read(each.path))
                size += 0 if isinstance(data, Finding) else len(data)
                if size > self.held:
                    break
            now = task[len(outcomes) :][: len(there)]
            found = [self._parsed(each, data) for each, data in zip(now, there, strict=True)]
            known = self._known(now, found)
            outcomes.extend(self._outcome(each, parsed, known) for each, parsed in zip(now, found, strict=True))
        return outcomes

    def _read(self, path: str) -> bytes | Finding:
        assert self.origin is not None  # noqa: S101 (whoever gives no bytes gives a place to read them)
        return read(self.origin, path)

    def _parsed(self, each: Unverified, data: bytes | Finding) -> Collected | Finding:
        if isinstance(data, Finding):
            return data
        where = f"{self.name}/{each.path}"
        try:
            return Collected(advertised_sidecar(data, Sha256(each.sidecar), where=where).bundles, (where,))
        except Malformed as error:
            return error.finding

    def _known(
        self, task: Sequence[Unverified], found: Sequence[Collected | Finding]
    ) -> dict[tuple[Sha256, Sha256], Evidence]:
        """What is known of bundles, by their digests and by those of roots: a sidecar may have grown since."""
        if self.store is None:
            return {}
        wanted: dict[Sha256, list[Sha256]] = {}
        for each, parsed in zip(task, found, strict=True):
            if isinstance(parsed, Collected):
                digests = [digest_of(bundle) for bundle in parsed.bundles]
                for root in each.roots:
                    wanted.setdefault(Sha256(root), []).extend(digests)
        return {
            (bundle, root): evidence
            for root, bundles in wanted.items()
            for bundle, evidence in self.store.several(list(dict.fromkeys(bundles)), root).items()
        }

    def _outcome(
        self, each: Unverified, parsed: Collected | Finding, known: Mapping[tuple[Sha256, Sha256], Evidence]
    ) -> Outcome:
        if isinstance(parsed, Finding):
            return Outcome([], (), parsed)

        def authenticate(bundle: Bundle, root: TrustRoot) -> Evidence:
            kept = known.get((digest_of(bundle), root.sha256)) if known else None
            return kept or authenticate_parsed(bundle, root)

        under = [self.roots[Sha256(name)] for name in each.roots]
        evidence, failures = authenticate_all(parsed, under, authenticate)
        return Outcome([codec.dump(proof) for proof in evidence], failures)


_here: list[Verifier] = []


def begin(name: str, origin: Origin | None, roots: Sequence[tuple[bytes, str]], store: Path | None, held: int) -> None:
    """Make what a process verifies with, once."""
    # Ctrl-C is sent to all of them, and is the parent's to deal with; what the parent does at SIGTERM is not for this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.disable()  # Libraries log what is judged here, and findings tell it.
    made = [TrustRoot(data, name=called) for data, called in roots]
    kept = None if store is None else EvidenceStore(store)
    _here.append(Verifier(name, origin, {root.sha256: root for root in made}, kept, held))
    # Importing sigstore makes half a million objects that stay: collecting garbage need not go over them each time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def _end_with_parent() -> None:
    """Without this, the processes of a parent that was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def verify(task: Sequence[Unverified]) -> list[Outcome]:
    """Verify sidecars in a process that `begin` prepared."""
    return _here[0].outcomes(task)
