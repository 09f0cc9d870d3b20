"""conda-lock.yml, version 1: a list of packages, each for one platform and by one manager.

Owns `read`.

    version: 1
    metadata:
      platforms: [linux-64, osx-64]
    package:
    - name: zlib
      version: 1.3.1
      manager: conda
      platform: linux-64
      url: https://conda.example/channel/linux-64/zlib-1.3.1-hb9d3cd8_2.conda
      hash: {md5: 0123..., sha256: 0123...}
      category: main
    - name: requests
      manager: pip
      ...

Refuses other versions, other managers, and a package of conda's whose URL is not one of an archive with its name. An
archive is its URL and its sha256 here; conda-lock itself installs by md5, which this cannot judge. Dependencies are
kept there by name, not as the index has them, so there is no record to compare.

Spec: https://github.com/conda/conda-lock/blob/main/conda_lock/lockfile/v1/models.py
"""

from collections.abc import Mapping
from typing import Any, Final

from condattest.formats.locked_fields import Fields, is_archive, location
from condattest.formats.lockfile import Entry, Lock, Other

VERSION: Final = 1


def read(document: Mapping[str, Any], *, where: str) -> Lock:
    """Read the document of a conda-lock.yml.

    Raises:
        WrongLock: It is not as version 1 says.
    """
    top = Fields(document, where)
    if document.get("version", VERSION) != VERSION:  # Old files have none.
        raise top.wrong("version", str(VERSION))
    entries: list[Entry] = []
    others: list[Other] = []
    platforms: dict[str, None] = dict.fromkeys(_platforms(top.mapping("metadata")))
    for row in top.rows("package"):
        manager, platform = row.text("manager"), row.text("platform")
        platforms.setdefault(platform)
        match manager:
            case "conda":
                entries.append(_entry(row, platform))
            case "pip":
                others.append(Other("pypi", row.text("name"), (platform,)))
            case _:
                raise row.wrong("manager", "conda or pip")
    return Lock("conda-lock 1", tuple(entries), tuple(others), platforms=tuple(platforms))


def _platforms(metadata: Fields) -> list[str]:
    found = metadata.values.get("platforms", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise metadata.wrong("platforms", "a list of texts")
    return found


def _entry(row: Fields, platform: str) -> Entry:
    url = location(row.text("url"), row.where)
    if not is_archive(url):
        raise row.wrong("url", "the URL of a .conda or .tar.bz2 file")
    digests = row.mapping("hash")
    name = url.rstrip("/").rsplit("/", 1)[-1]
    if not name.startswith(f"{row.text('name')}-"):
        raise row.wrong("name", f"the name of {ascii(name)[:100]}")
    return Entry(url, row.where, digests.sha256(), digests.md5(), (platform,))
