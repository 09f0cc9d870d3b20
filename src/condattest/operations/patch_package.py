"""A patch package: the instructions that it carries, who attested it, and what it says of its own origin.

Owns `PatchPackage` and `read`. What lies beside the package under the names of attestations (`PKG.sigs`,
`PKG.sigstore.json`) is authenticated and held against the package; what fails is refused, even beside another that does
not. Who signed is recorded and not judged: the author of the generation answers for the instructions. CEP 31's build
provenance in `info/about.json` is signed by nobody, and is taken as what the package says of itself, where it names a
repository and a whole commit.

Specs: CEP 27, https://github.com/conda/ceps/blob/main/cep-0027.md; CEP 31 (build provenance), cep-0031.md
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from condattest.errors import Malformed, Misuse
from condattest.formats import package, patch_instructions, sidecar
from condattest.formats.patch_descriptors import COMMIT, Input, InputSigner, Source
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import redact
from condattest.model.finding import Code, Finding
from condattest.operations import attestations
from condattest.operations.judgement import authenticate_all
from condattest.policy.bind import Foreign, Unbound, bind
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files

_SUFFIXES: Final = (sidecar.SUFFIX, attestations.BUNDLE_SUFFIX)
_MAX_TEXT: Final = 1024
"""Characters of a URL or a run's name that a package may state."""


@dataclass(frozen=True, slots=True)
class PatchPackage:
    """What was read of a patch package.

    Attributes:
        path: Where it lies.
        instructions: Its `patch_instructions.json` for the subdir.
        inputs: The package, and each file of attestations beside it with its signers.
        source: Where it says that it was built from (CEP 31); None if it does not.
    """

    path: Path
    instructions: bytes
    inputs: tuple[Input, ...]
    source: Source | None


def read(path: Path, subdir: str, roots: Sequence[TrustRoot]) -> PatchPackage:
    """Read a patch package for a subdir, and authenticate the attestations beside it.

    Args:
        path: The package.
        subdir: Whose instructions.
        roots: The trust roots that count.

    Raises:
        Misuse: It is no package file, or has nothing for the subdir.
        Malformed: ARCHIVE-*, BIND-METADATA: the package is not well-formed; BUNDLE-*, SIDECAR-*, CRYPTO, TIME-*,
            STMT-*, BIND-*, MISSING-PUBLISH: an attestation beside it does not verify, or is not about it.
        LocalFailure: A file could not be read.
    """
    try:
        file = PackageFile.parse(path.name)
    except ValueError as error:
        raise Misuse(f"{path}: {error}") from None
    # One descriptor: what is hashed is what is read.
    with files.open_once(path) as opened:
        sha256 = files.hash_file(opened)
        opened.seek(0)
        try:
            found = patch_instructions.from_package(opened, file)
            opened.seek(0)
            metadata = package.read(opened, file)
            package.check(metadata, file, None)
        except Malformed as error:
            raise Malformed(error.finding.at(path)) from None
    if subdir not in found:
        hint = f"it has them for: {', '.join(sorted(found)) or 'no subdir'}"
        raise Misuse(f"{path}: it has no instructions for {subdir}", hint=hint)
    inputs = [Input(str(file), sha256)]
    for suffix in _SUFFIXES:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            inputs.append(_attested(beside, Artifact(file, sha256), roots))
    return PatchPackage(path, found[subdir], tuple(inputs), _source(metadata.about))


def _attested(path: Path, artifact: Artifact, roots: Sequence[TrustRoot]) -> Input:
    data = files.read_bounded(path, sidecar.MAX_SIDECAR)
    try:
        signers = _signers(data, path, artifact, roots)
    except Malformed as error:
        error.hint = f"do not attest from this package, unless you know that {path.name} does not belong to it"
        raise
    return Input(path.name, Sha256(hashlib.sha256(data).hexdigest()), signers)


def _signers(data: bytes, path: Path, artifact: Artifact, roots: Sequence[TrustRoot]) -> tuple[InputSigner, ...]:
    # (1) Each bundle verifies under the trust root in force.
    evidence, failures = authenticate_all(attestations.parsed(data, str(path)), roots)
    if failures:
        raise Malformed(failures[0].at(path))
    # (2) Each is about this package, by name and digest, or about something that is not asked for.
    signers = []
    for each in evidence:
        bound = bind(each, artifact)
        if isinstance(bound, Unbound):
            raise Malformed(bound.finding.at(path))
        if not isinstance(bound, Foreign):
            signers.append(InputSigner(each.signer.san, each.signer.issuer))
    # (3) And at least one is.
    if not signers:
        expected = f"an attestation of {artifact.file}"
        raise Malformed(Finding.of(Code.MISSING_PUBLISH, path, expected=expected, found="none"))
    return tuple(dict.fromkeys(signers))


def _source(about: Mapping[str, object] | None) -> Source | None:
    """What `info/about.json` says under `extra`, as far as it is a repository and a whole commit."""
    extra = (about or {}).get("extra")
    if not isinstance(extra, Mapping):
        return None
    url, commit, run = (_text(extra.get(key)) for key in ("remote_url", "sha", "flow_run_id"))
    if url is None or commit is None or not COMMIT.fullmatch(commit):
        return None
    # The package is public, and so will the statement be; a token in the URL need not be in both.
    url = redact(url)
    return Source(f"git+{url}" if url.startswith(("https://", "http://")) else url, commit, "package", run)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable() else None


def same_source(one: Source, other: Source) -> bool:
    """Whether two name the same commit of the same repository, however its URL is spelled."""
    return one.commit == other.commit and _repository(one.uri) == _repository(other.uri)


def _repository(uri: str) -> str:
    return uri.removeprefix("git+").rstrip("/").removesuffix(".git").casefold()
