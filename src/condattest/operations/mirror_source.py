"""What the source of a mirror says, taken as a stranger's word: which subdirs it has, and what its index lists.

Owns `subdirs`, `entries`, `Entry` and `check`. Refuses a subdir that leads elsewhere, and a record that is not about
the file that it stands for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from condattest.errors import Malformed, Misuse, NotFound
from condattest.formats import compression, repodata, strict_json
from condattest.formats.repodata import Record
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.operations.advertise import MONOLITHS
from condattest.operations.stored_package import is_subdir
from condattest.transport.origin import Origin

_MAX_CHANNELDATA: Final = 256 * 1024 * 1024
_MAX_SUBDIRS: Final = 1000


def subdirs(origin: Origin) -> Sequence[str]:
    """The subdirs that the source says it has.

    Raises:
        Misuse: It says none.
        Malformed: It says what can be none.
        Unavailable, LocalFailure: It cannot be read.
    """
    folders = origin.folders()
    if folders is not None:
        return [folder for folder in folders if is_subdir(folder)]
    try:
        data = origin.read("channeldata.json", _MAX_CHANNELDATA)
    except NotFound:
        raise Misuse(
            f"{origin.name}: it does not say which subdirs it has",
            hint="add --subdir noarch, and so on: it has no channeldata.json",
        ) from None
    where = f"{origin.name}/channeldata.json"
    document = strict_json.parse(data, code=Code.NET_UNAVAILABLE, where=where, limit=_MAX_CHANNELDATA)
    named = document.get("subdirs") if isinstance(document, dict) else None
    if not isinstance(named, list) or len(named) > _MAX_SUBDIRS:
        found = f"{len(named)} entries" if isinstance(named, list) else type(named).__name__
        raise Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected="a list of subdirs", found=found))
    for each in named:
        if not isinstance(each, str) or not is_subdir(each):  # It becomes a folder here.
            found = f"{each!r:.80}"
            raise Malformed(Finding.of(Code.NET_UNAVAILABLE, where, expected="a subdir such as noarch", found=found))
    return named


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the source: as it is judged, as it stands in the index, and whether it stands in v3."""

    record: Record
    raw: bytes
    later: bool


def entries(origin: Origin, subdir: str, wanted: Callable[[PackageFile], bool]) -> Iterator[Entry]:
    """Yield the wanted records of a subdir; none where the source has no index there.

    Raises:
        Malformed: The index is none, or a wanted record is not well-formed.
        Unavailable, LocalFailure: The source cannot be read.
    """
    where, data = _repodata(origin, subdir)
    if data is not None:
        for record, raw, later in repodata.records(data, wanted, where=where):
            yield Entry(record, raw, later)


def _repodata(origin: Origin, subdir: str) -> tuple[str, bytes | None]:
    path = f"{subdir}/{MONOLITHS[0]}"
    where = f"{origin.name}/{path}"
    try:
        data = origin.read(f"{path}.zst", repodata.MAX_REPODATA)
    except NotFound:
        try:
            return where, origin.read(path, repodata.MAX_REPODATA)
        except NotFound:
            return where, None
    limit = repodata.MAX_REPODATA
    return where, compression.unzstd(data, limit=limit, code=Code.NET_UNAVAILABLE, where=f"{where}.zst")


def check(entry: Entry, subdir: str) -> None:
    """Check that a record is about the file that it stands for: nobody signs an index, and solvers go by records.

    Raises:
        Malformed: BIND-METADATA.
    """
    file = entry.record.file
    where = f"{subdir}/{file}"
    said = {"subdir": subdir, **repodata.parse_record(entry.raw, where=where)}  # Old records do not say the subdir.
    for key, value in (("name", file.name), ("version", file.version), ("build", file.build), ("subdir", subdir)):
        if said.get(key) != value:
            raise Malformed(
                Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected=value, found=f"{said.get(key)!r:.80}")
            )
    # Clients that meet another type refuse the index as a whole.
    for key in ("depends", "constrains"):
        value = said.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Malformed(
                Finding.of(Code.BIND_METADATA, f"{where}: {key}", expected="a list of texts", found=f"{value!r:.80}")
            )
