"""What the files of a subdir's index say, read once: which sidecars they name, and where they disagree.

Owns `Said` and `read`. Only what is said of artifacts that have a sidecar, or whose record names one, is kept; of the
rest, just enough to notice that two files of the same index list different packages.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from condattest.errors import Malformed
from condattest.formats.index_changes import Listed
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding, Severity
from condattest.operations.index_views import View

_SHOWN = 20


@dataclass(slots=True)
class Said:
    """What the index says.

    Attributes:
        records: By artifact and by the path of an index file, the digest of its bytes and the sidecar that is named.
        findings: Records that are not well-formed, and where index files disagree.
    """

    records: dict[PackageFile, dict[str, tuple[Sha256 | None, Sha256 | None]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def sha256(self, file: PackageFile) -> Sha256 | None:
        """The digest that records give for an artifact; None if they give none."""
        return next((sha256 for sha256, _ in self.records.get(file, {}).values() if sha256 is not None), None)

    def advertised(self, file: PackageFile) -> tuple[Sha256, ...]:
        """The sidecars that records name for an artifact, each once."""
        named = (named for _, named in self.records.get(file, {}).values() if named is not None)
        return tuple(dict.fromkeys(named))

    def alone(self, heads: Container[PackageFile]) -> dict[PackageFile, Finding]:
        """The records that name a sidecar of an artifact which has none, one finding for each artifact."""
        found = {}
        for file, said in self.records.items():
            path, named = next(((path, named) for path, (_, named) in said.items() if named is not None), ("", None))
            if file not in heads and named is not None:
                found[file] = Finding.of(Code.INDEX_FIELD_ALONE, f"{path}: {file}", sidecar=named)
        return found

    def differences(self, heads: Mapping[PackageFile, Sha256 | None]) -> Iterator[Finding]:
        """Where records do not name the current sidecars, and which sidecars have no record."""
        yield from self.alone({file for file, head in heads.items() if head is not None}).values()
        for file, head in heads.items():
            if head is None:
                continue
            wrong = {path: named for path, (_, named) in self.records.get(file, {}).items() if named != head}
            if wrong:
                found = ", ".join(dict.fromkeys(named or "no such key" for named in wrong.values()))
                yield Finding.of(Code.INDEX_FIELD, file, expected=head, found=found, files=", ".join(wrong))
            if file not in self.records:
                yield Finding.of(Code.INDEX_ORPHAN, str(file))


def read(views: Iterable[View], attested: Container[PackageFile]) -> Said:
    """Read every view once.

    Args:
        views: The files of the index.
        attested: The artifacts that have a sidecar.

    Raises:
        Malformed: NET-UNAVAILABLE: a file of the index is none.
        Unavailable, LocalFailure: The store cannot be read.
    """
    said = Said()
    first: dict[str, tuple[View, dict[PackageFile, Sha256 | None]]] = {}
    for view in views:
        listed: dict[PackageFile, Sha256 | None] = {}
        whole = True
        try:
            for each in view.records():
                listed[each.file] = each.sha256
                _keep(said, view, each, attested)
        except Malformed as error:
            if error.finding.code.severity is Severity.UNKNOWN:
                raise
            said.findings.append(error.finding)
            whole = False
        if not whole:
            continue  # What follows the broken record was not read, and is not missing.
        reference, packages = first.setdefault(view.base, (view, listed))
        if reference is not view:
            said.findings.extend(_disagreements(reference.path, packages, view.path, listed))
    if "repodata" in first:
        _, served = first["repodata"]
        for base, (view, packages) in first.items():
            if base == "current_repodata":
                unknown = {file: sha256 for file, sha256 in packages.items() if served.get(file) != sha256}
                said.findings.extend(_disagreements(first["repodata"][0].path, served, view.path, unknown, part=True))
    return said


def _keep(said: Said, view: View, each: Listed, attested: Container[PackageFile]) -> None:
    if each.attestations_sha256 is not None or each.file in attested:
        said.records.setdefault(each.file, {})[view.path] = (each.sha256, each.attestations_sha256)


def _disagreements(
    one: str,
    first: Mapping[PackageFile, Sha256 | None],
    other: str,
    second: Mapping[PackageFile, Sha256 | None],
    *,
    part: bool = False,
) -> list[Finding]:
    """Name the packages that two index files do not list alike; `part` says that the second may list fewer."""
    absent = object()
    names = second.keys() if part else first.keys() | second.keys()
    unlike = sorted((file for file in names if first.get(file, absent) != second.get(file, absent)), key=str)
    findings = []
    for file in unlike[:_SHOWN]:
        facts = {
            where: str(listed.get(file) or "no digest") if file in listed else "not listed"
            for where, listed in ((one, first), (other, second))
        }
        findings.append(Finding(Code.INDEX_DISAGREE, str(file), facts))
    if len(unlike) > _SHOWN:
        more = Finding.of(Code.INDEX_DISAGREE, other, further=f"{len(unlike) - _SHOWN} more packages")
        findings.append(more)
    return findings
