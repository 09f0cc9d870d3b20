"""Sign a CEP 27 statement for each of many packages, with one certificate.

Owns `attest`, `Order` and `Attested`. Everything that can be wrong before signing is found before anything is signed: a
missing file, a name that is no package's, a malformed archive, an output that is in the way. After signing, the package
is hashed again from its path, and the bundle is verified as an installer would; only then is it written, whole or not
at all.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from condattest.errors import CondattestError, LocalFailure, Malformed, Misuse, NotAuthenticated
from condattest.formats import bundle as bundles
from condattest.formats import package, publish, statement
from condattest.model.artifact import Artifact, PackageFile
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import judgement
from condattest.operations.attestations import BUNDLE_SUFFIX, Collected
from condattest.policy import rules
from condattest.signatures.identity import Source
from condattest.signatures.sign import Signing
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files

_CLEAN: Final = (Code.IDENTITY_NOT_REQUIRED,)


@dataclass(frozen=True, slots=True)
class Order:
    """One package to attest: what it is, and where its bundle goes."""

    path: Path
    artifact: Artifact
    output: Path


@dataclass(frozen=True, slots=True)
class Attested:
    """The outcome for one package: the evidence of its new bundle, or why there is none."""

    order: Order
    outcome: Evidence | CondattestError


def prepare(
    paths: Sequence[Path],
    *,
    force: bool,
    output_dir: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> list[Order]:
    """Check and hash every package, before anything is signed.

    Args:
        paths: Package files.
        force: Whether bundles that are there already may be replaced.
        output_dir: Where the bundles go; by default beside each package.
        on_bytes: Told how many bytes were read, for a progress bar.

    Raises:
        Misuse: There is no package, one is missing, named twice or not a package, or its bundle is in the way.
        Malformed: An archive is not well-formed or does not agree with its file name.
        LocalFailure: A file cannot be read.
    """
    if not paths:
        raise Misuse("nothing to attest", hint="give at least one .conda or .tar.bz2 file")
    if output_dir is not None and not output_dir.is_dir():
        raise Misuse(f"{output_dir}: expected a folder", hint="make it first, or leave --output-dir out")
    named: dict[Path, tuple[Path, PackageFile]] = {}
    for path in paths:
        if not path.is_file():
            found = "a directory" if path.is_dir() else "no such file"
            raise Misuse(f"{path}: expected a conda package, found {found}")
        try:
            file = PackageFile.parse(path.name)
        except ValueError as error:
            raise Misuse(f"{path}: {error}") from None
        output = (output_dir or path.parent) / (path.name + BUNDLE_SUFFIX)
        if output in named:
            raise Misuse(f"{path}: the same package name twice", hint="attest them in calls of their own")
        if not force and os.path.lexists(output):
            raise Misuse(f"{output}: there is a bundle already", hint="add --force to replace it")
        named[output] = (path, file)
    orders = []
    for output, (path, file) in named.items():
        with files.open_once(path) as opened:
            sha256 = files.hash_file(opened, on_bytes=on_bytes)
            opened.seek(0)
            try:
                package.check(package.read(opened, file), file, None)
            except Malformed as error:
                raise Malformed(error.finding.at(path)) from None
        orders.append(Order(path, Artifact(file, sha256), output))
    return orders


def attest(
    orders: Sequence[Order],
    *,
    channel: Channel | None,
    trust: TrustRoot,
    source: Source,
    now: datetime,
    jobs: int = 4,
    force: bool = False,
    signing: Signing | None = None,
) -> Iterator[Attested]:
    """Sign, check and write a bundle for each order; yield outcomes as they come.

    Args:
        orders: From `prepare`.
        channel: The target channel that the statements name; None leaves the predicate out.
        trust: Where to sign, and what to verify the result under.
        source: Gets the identity token.
        now: The time at which the new bundles are judged.
        jobs: How many signatures are made at a time.
        force: Whether bundles that are there already may be replaced.
        signing: The signing session to use; by default a new one.

    Raises:
        NoIdentity: There is no usable token.
        ServiceFailed: There is no certificate.
    """
    payloads = [statement.dump(publish.statement(order.artifact, channel)) for order in orders]
    session = Signing(trust, source) if signing is None else signing
    for signed in session.sign(payloads, jobs=jobs):
        order = orders[signed.index]
        if isinstance(signed.outcome, CondattestError):
            yield Attested(order, signed.outcome)
            continue
        try:
            evidence = _check(order, signed.outcome, channel, trust, now)
            files.write_new(order.output, signed.outcome + b"\n", replace=force)
        except CondattestError as error:
            yield Attested(order, error)
        else:
            yield Attested(order, evidence)


def _check(order: Order, bundle: bytes, channel: Channel | None, trust: TrustRoot, now: datetime) -> Evidence:
    # (1) The package is still what was signed.
    with files.open_once(order.path) as opened:
        found = files.hash_file(opened)
    if found != order.artifact.sha256:
        raise LocalFailure(
            f"{order.path}: the package changed while it was signed: it had the digest {order.artifact.sha256}, and "
            f"now has {found}",
            hint="attest it again when nothing writes to it",
        )
    # (2) An installer would accept it from a signer that it names.
    try:
        collected = Collected((bundles.parse(bundle),))
    except Malformed as error:
        raise NotAuthenticated(error.finding) from None
    verdict = judgement.authenticate_and_decide(
        collected, order.artifact, channel, rules.nobody_required(), trust, now=now
    ).verdict
    match verdict:
        case Undecided(findings=findings, seen=(evidence,)) if all(finding.code in _CLEAN for finding in findings):
            return evidence
        case Rejected(findings=findings) | Undecided(findings=findings):
            raise NotAuthenticated(findings[0])
        case Accepted():
            raise AssertionError("nobody was required, so nothing can be accepted")
