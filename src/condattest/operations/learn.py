"""Trust on first use: see who signed what, and propose a policy from it.

Owns `observe`, `observe_each` and `observe_channel`. What they give is authenticated; what a policy makes of it is
`policy.learn`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from condattest.errors import Malformed, Misuse
from condattest.formats import publish, repodata, statement
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.operations import attestations, channel_index, judgement
from condattest.operations.attestations import Collected
from condattest.operations.channel_index import Indexes
from condattest.operations.targets import DigestTarget, FileTarget, ListedTarget, RefusedTarget, Target, UrlTarget
from condattest.policy.proposals import NotLearned, Observed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files
from condattest.transport.on_demand import Source


def observe(target: Target, channel: Channel | None, trust: TrustRoot, fetcher: Source) -> Observed:
    """Authenticate what is beside a file, or what the index advertises for a URL.

    Args:
        target: A file or a URL.
        channel: Where the package comes from; None: as the URL or the signed statement says.
        trust: The trust root.
        fetcher: For URLs.

    Raises:
        Misuse: Nothing says which channel it is about, or the target is a bare digest.
        Malformed, Unavailable, LocalFailure: What is there is not what it should be, or could not be had.
    """
    match target:
        case FileTarget(path=path, file=file):
            with files.open_once(path) as opened:
                artifact = Artifact(file, files.hash_file(opened))
            collected = attestations.beside(path, style="cep50")
            evidence = _proved(collected, trust)
            where = channel or _signed_channel(evidence)
            if where is None:
                raise Misuse(f"{target}: nothing says which channel it is from", hint="add --channel URL")
            return Observed(artifact, where, evidence)
        case UrlTarget(channel=own, subdir=subdir, file=file) | ListedTarget(channel=own, subdir=subdir, file=file):
            record, collected = attestations.in_channel(own, subdir, file, fetcher)
            return Observed(_artifact(record, subdir), channel or own, _proved(collected, trust))
        case RefusedTarget(finding=finding):
            raise Malformed(finding)
        case DigestTarget():
            raise Misuse(f"{target}: expected a package file, its URL, or a channel's URL")


def observe_each(
    targets: Sequence[Target], channel: Channel | None, trust: TrustRoot, fetcher: Source, *, jobs: int = 4
) -> Iterator[Observed | NotLearned]:
    """Authenticate what is advertised for each package of a list, in its order, with each index read once.

    What is wrong with one package is told of it and teaches nothing. What cannot be had ends it all, since half a list
    would be taken for the whole of it.

    Raises:
        Misuse: Nothing says which channel a file is of.
        Unavailable, LocalFailure: Something could not be had.
    """
    indexes = Indexes(fetcher)

    def seen(target: Target) -> Observed | NotLearned:
        try:
            if isinstance(target, ListedTarget):
                return _listed(target, channel or target.channel, indexes, trust, fetcher)
            return observe(target, channel, trust, fetcher)
        except Malformed as error:
            name = str(target) if target.file is None else target.file.name
            where = target.channel if isinstance(target, ListedTarget) else channel
            return NotLearned(where, name, error.finding)

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(seen, targets)


def _listed(target: ListedTarget, where: Channel, indexes: Indexes, trust: TrustRoot, fetcher: Source) -> Observed:
    if target.sha256 is None:
        raise Malformed(channel_index.no_digest(str(target), target.file))
    record = indexes.record(target.channel, target.subdir, target.file)
    if record.sha256 != target.sha256:
        raise Malformed(Finding.of(Code.BIND_DIGEST, target, expected=record.sha256, found=target.sha256))
    collected = attestations.advertised(f"{target.channel.url}/{target.subdir}", record, fetcher)
    return Observed(_artifact(record, target.subdir), where, _proved(collected, trust))


def observe_channel(channel: Channel, subdirs: Sequence[str], trust: TrustRoot, fetcher: Source) -> Iterator[Observed]:
    """Authenticate every attestation that a channel's index advertises, without downloading packages.

    Raises:
        Malformed, Unavailable: As for `observe`.
    """
    for subdir in subdirs:
        base = f"{channel.url}/{subdir}"
        url, data = channel_index.monolith(base, fetcher)
        for record in repodata.attested(data, where=url):
            collected = attestations.advertised(base, record, fetcher)
            yield Observed(_artifact(record, subdir), channel, _proved(collected, trust))


def _artifact(record: repodata.Record, subdir: str) -> Artifact:
    if record.sha256 is None:
        raise Malformed(channel_index.no_digest(subdir, record.file))
    return Artifact(record.file, record.sha256, subdir)


def _proved(collected: Collected, trust: TrustRoot) -> tuple[Evidence, ...]:
    evidence, _ = judgement.authenticate_all(collected, [trust])
    return evidence


def _signed_channel(evidence: Sequence[Evidence]) -> Channel | None:
    for each in evidence:
        try:
            said = publish.parse(statement.parse(each.payload_type, each.payload))
        except Malformed:
            continue  # Of another kind: it says nothing of channels.
        if said.target_channel is not None:
            return said.target_channel
    return None
