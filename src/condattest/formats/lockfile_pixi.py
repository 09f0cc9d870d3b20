"""pixi.lock, versions 6 and 7: environments that refer to packages, and the packages.

Owns `read`.

    version: 6
    environments:
      default:
        channels: [{url: https://conda.example/channel/}]
        packages:
          linux-64:
          - conda: https://conda.example/channel/linux-64/zlib-1.3.1-hb9d3cd8_2.conda
          - pypi: https://files.example/requests-2.32.3-py3-none-any.whl
    packages:
    - conda: https://conda.example/channel/linux-64/zlib-1.3.1-hb9d3cd8_2.conda
      sha256: 0123...
      md5: 0123...
      depends: [libgcc >=13]
      license: Zlib
    - conda: ../my-project                     built from source: no archive yet
    - conda_source: x[1a2b3c4d] @ ../x         the same in version 7
    - pypi: https://files.example/...

In version 7 the platforms have names of their own, `platforms: [{name: gpu, subdir: linux-64}]`; a selection takes
either. What a row says of its archive beside the digests is the index record, less what the URL says.

Refuses other versions, a row of another kind, a URL that names an archive of another kind, an archive under a file name
that its URL has not, one that is listed twice, and a reference to a row that is not there.

Spec: https://github.com/conda/rattler/tree/main/crates/rattler_lock
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from condattest.formats.locked_fields import Fields, is_archive, is_path, location
from condattest.formats.lockfile import Entry, Lock, Other, WrongLock

VERSIONS: Final = (6, 7)
_KINDS: Final = ("conda", "pypi", "conda_source", "source")
_BUILT_WITH: Final = ("build_packages", "host_packages")
# What is about the archive or the row itself: no key of an index record.
_OWN: Final = frozenset({"conda", "sha256", "md5", "size", "channel", "file_name", "variants"})

_References = dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]]


def read(document: Mapping[str, Any], *, where: str) -> Lock:
    """Read the document of a pixi.lock.

    Raises:
        WrongLock: It is not as its version says.
    """
    top = Fields(document, where)
    version = document["version"]
    if version not in VERSIONS or isinstance(version, bool):
        raise WrongLock(
            f"{where}: version: expected 6 or 7, found {ascii(version)[:40]}",
            hint="a newer pixi writes one: pixi lock",
        )
    names = _subdirs(top)
    environments = top.mapping("environments")
    references = _references(environments, names)
    entries: list[Entry] = []
    others: list[Other] = []
    seen: set[tuple[str, str]] = set()
    rows = [(*_key(row), row) for row in top.rows("packages")]
    _follow(references, rows)
    for kind, place, row in rows:
        used_in, used_for = references.get((kind, place), ({}, {}))
        placed = {"platforms": tuple(used_for), "environments": tuple(used_in)}
        if kind == "conda" and _is_binary(row, place, version):
            if (kind, place) in seen:
                raise row.wrong("conda", "each archive once")
            entries.append(Entry(place, row.where, row.sha256(), row.md5(), held=_held(row.values), **placed))
        else:
            others.append(Other("pypi" if kind == "pypi" else "source", place, **placed))
        seen.add((kind, place))
    for reference in references:
        if reference not in seen:
            shown = ascii(reference[1])[:120]
            raise WrongLock(f"{where}: environments: expected only packages that are listed, found {shown}")
    platforms = dict.fromkeys(each for _, used_for in references.values() for each in used_for)
    known = tuple(dict.fromkeys([*names, *platforms, *names.values()]))
    return Lock(f"pixi {version}", tuple(entries), tuple(others), tuple(environments.values), known)


def _subdirs(top: Fields) -> dict[str, str]:
    """The names of platforms, and the subdir of each."""
    if "platforms" not in top.values:
        return {}
    return {
        row.text("name"): row.text("subdir") if "subdir" in row.values else row.text("name")
        for row in top.rows("platforms")
    }


def _references(environments: Fields, subdirs: Mapping[str, str]) -> _References:
    """By kind and location, in which environments and for which platforms a package is."""
    found: _References = {}
    for name in environments.values:
        packages = environments.mapping(name).mapping("packages")
        for platform in packages.values:
            for row in packages.rows(platform):
                used_in, used_for = found.setdefault(_key(row), ({}, {}))
                used_in[name] = None
                used_for[platform] = None
                used_for[subdirs.get(platform, platform)] = None
    return found


def _follow(references: _References, rows: list[tuple[str, str, Fields]]) -> None:
    """What a package is built with is in each environment that the package is in."""
    needed: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, place, row in rows:
        for key in _BUILT_WITH:
            if row.values.get(key):
                needed.setdefault((kind, place), []).extend(map(_key, row.rows(key)))
    waiting = list(needed)
    while waiting:
        source = waiting.pop()
        used_in, used_for = references.setdefault(source, ({}, {}))
        for each in needed[source]:
            known_in, known_for = references.setdefault(each, ({}, {}))
            if used_in.keys() - known_in.keys() or used_for.keys() - known_for.keys():
                known_in.update(used_in)
                known_for.update(used_for)
                waiting.extend([each] if each in needed else [])


def _key(row: Fields) -> tuple[str, str]:
    kinds = [kind for kind in _KINDS if kind in row.values]
    if len(kinds) == 2 and kinds[1] == "source":
        kinds.pop()  # Where a package that is built comes from: not what the row is about.
    if len(kinds) != 1:
        found = ", ".join(kinds) or "none of them"
        raise WrongLock(f"{row.where}: expected one of {', '.join(_KINDS)}, found {found}")
    return kinds[0], location(row.text(kinds[0]), row.where)


def _is_binary(row: Fields, place: str, version: int) -> bool:
    if is_archive(place):
        name = unquote(place.rsplit("/", 1)[-1])
        if row.values.get("file_name", name) != name:
            raise row.wrong("file_name", f"the file name of its URL, {ascii(name)[:100]}")
        return True
    # Version 7 has sources under a key of their own; before, a URL of them is one of a repository or a source archive.
    if version == 7 and not is_path(place):
        raise row.wrong("conda", "the location of a .conda or .tar.bz2 file")
    if unquote(place.split("?")[0].split("#")[0]).lower().endswith(".whl"):
        raise row.wrong("conda", "the location of a .conda or .tar.bz2 file")
    return False


def _held(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OWN}
