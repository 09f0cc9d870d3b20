"""Upload packages to a server that keeps a channel by itself, such as prefix.dev: each with its attestation.

Owns `plan`, `Upload`, `upload` and `Uploaded`. The server takes one attestation with a package, writes sidecar and
index itself, and judges both by its own rules. What it is given is judged here first, as for any other channel, and
nothing is uploaded if anything is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from condattest.errors import CondattestError, Misuse
from condattest.formats import package, publish
from condattest.model.artifact import Artifact, PackageFile
from condattest.model.finding import Code, Finding
from condattest.operations import admission, attestations
from condattest.operations.admission import Offer, Terms
from condattest.operations.judgement import extent_of
from condattest.transport import files, prefix_dev


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is to be uploaded: a package, and the bundles that are offered for it; `findings` say why it is not."""

    path: Path
    artifact: Artifact
    offers: tuple[Offer, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of one package: what the server said, or why it was not uploaded."""

    upload: Upload
    outcome: prefix_dev.Upload | CondattestError


def plan(
    paths: Sequence[Path],
    terms: Terms,
    *,
    bundles: Sequence[Path] = (),
    on_bytes: Callable[[int], None] = lambda count: None,
) -> list[Upload]:
    """Find out what each package is, and whether its one attestation may be published; nothing is sent.

    Raises:
        Misuse: There is none, one is no package, two are the same, or bundles are given for several packages.
        Malformed: A package or a bundle is not well-formed.
        LocalFailure: One of them cannot be read.
    """
    if not paths:
        raise Misuse("nothing to upload", hint="give at least one .conda or .tar.bz2 file")
    if bundles and len(paths) > 1:
        raise Misuse("--bundle goes with one package here", hint="upload the others in calls of their own")
    plans = [_planned(path, terms, bundles, on_bytes) for path in paths]
    # The second would meet the first one on the server, and fail when the first is there already.
    places = [(each.artifact.subdir, each.artifact.file) for each in plans]
    for subdir, file in places:
        if places.count((subdir, file)) > 1:
            raise Misuse(f"{subdir or '?'}/{file} is named twice")
    return plans


def _planned(path: Path, terms: Terms, bundles: Sequence[Path], on_bytes: Callable[[int], None]) -> Upload:
    try:
        file = PackageFile.parse(path.name)
    except ValueError as error:
        raise Misuse(f"{path}: {error}", hint="a package keeps the file name that it was built with") from None
    with files.open_once(path) as opened:
        sha256 = files.hash_file(opened, on_bytes=on_bytes)
        metadata = package.read(opened, file, extent=extent_of(file, opened.seek(0, 2)))
    package.check(metadata, file, None)
    said = metadata.index.get("subdir")
    artifact = Artifact(file, sha256, said if isinstance(said, str) else None)
    collected = attestations.given(bundles) if bundles else attestations.bundle_beside(path)
    offers = admission.offers(collected, artifact, terms)
    findings = [each.outcome.at(each.place) for each in offers if isinstance(each.outcome, Finding)]
    if not offers:
        findings.append(admission.missing(artifact))
    elif not findings:
        findings.extend(_unfit(artifact, offers))
    return Upload(path=path, artifact=artifact, offers=offers, findings=tuple(findings))


def _unfit(artifact: Artifact, offers: Sequence[Offer]) -> Iterator[Finding]:
    kinds = [each.outcome.predicate_type for each in offers if not isinstance(each.outcome, Finding)]
    if kinds != [publish.PREDICATE_TYPE]:
        yield Finding.of(
            Code.MISSING_PUBLISH, artifact.file, expected="one publish attestation", found=", ".join(kinds)
        )


def upload(
    plans: Sequence[Upload], server: str, channel: str, *, token: str, skip_existing: bool = False
) -> Iterator[Uploaded]:
    """Upload packages of which none has findings, one after the other; yield what became of each.

    Args:
        plans: What to upload.
        server: The server, `https://prefix.dev`.
        channel: The channel's name on it.
        token: An API key, or what trusted publishing gave.
        skip_existing: Take a package of this name that is there already as it is.

    Raises:
        Misuse: A plan has findings.
    """
    if any(each.findings for each in plans):
        raise Misuse("what is refused cannot be published")
    for each in plans:
        try:
            outcome: prefix_dev.Upload | CondattestError = prefix_dev.upload(
                server,
                channel,
                each.artifact.file,
                each.path,
                each.artifact.sha256,
                each.offers[0].raw,
                token=token,
                skip_existing=skip_existing,
            )
        except CondattestError as error:
            outcome = error
        yield Uploaded(upload=each, outcome=outcome)
