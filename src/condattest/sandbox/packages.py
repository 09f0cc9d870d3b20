"""Small conda packages to rehearse with, the same bytes each time.

Owns `make_package`. A `.conda` is made by conda-package-streaming, as conda-build does it; its one varying value, the
date of metadata.json in the ZIP, is set to 1980-01-01, the earliest that ZIP knows. Equal arguments give equal bytes
under one version of zstd.
"""

import hashlib
import io
import json
import struct
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from conda_package_streaming.create import conda_builder

from condattest.model.artifact import PackageFile, PackageKind

MTIME: Final = 1_700_000_000
"""The time of every member, seconds of Unix time."""
_DOS_DATE: Final = (1 << 5) | 1  # 1980-01-01


def make_package(
    folder: Path,
    name: str,
    version: str,
    build: str = "0",
    *,
    kind: PackageKind = ".conda",
    depends: Sequence[str] = (),
    subdir: str = "noarch",
    noarch: Literal["generic", "python"] = "generic",
    payload: bytes = b"Hello from a package of the condattest sandbox.\n",
) -> Path:
    """Write a package that installs one file, `payload`, into `folder`, and return its path; an old one is replaced.

    Args:
        folder: An existing folder.
        name: The package's name.
        version: Its version.
        build: Its build string; a trailing number is the build number.
        kind: The archive format.
        depends: Match specifications.
        subdir: Where a channel would serve it.
        noarch: The kind of noarch package, where the subdir is noarch.
        payload: The content of the file.

    Raises:
        ValueError: The parts do not make the file name of a package.
        OSError: The package could not be written.
    """
    stem = f"{name}-{version}-{build}"
    file = PackageFile.parse(stem + kind)
    if (file.name, file.version, file.build) != (name, version, build):
        raise ValueError(f"expected a version and a build without dashes, found {version!r} and {build!r}")
    index: dict[str, object] = {
        "build": build,
        "build_number": int(build.rpartition("_")[2]) if build.rpartition("_")[2].isdecimal() else 0,
        "depends": list(depends),
        "license": "BSD-3-Clause",
        "name": name,
        "subdir": subdir,
        "timestamp": MTIME * 1000,
        "version": version,
    }
    module = name.replace("-", "_")
    target = f"share/{name}/payload.txt"
    if subdir == "noarch":
        index["noarch"] = noarch
        if noarch == "python":
            target = f"site-packages/{module}.py"
    digest = hashlib.sha256(payload).hexdigest()
    path = {"_path": target, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(payload)}
    members = {
        "info/index.json": _json(index),
        "info/about.json": _json({"license": "BSD-3-Clause", "summary": f"{name}, made by the condattest sandbox"}),
        "info/paths.json": _json({"paths": [path], "paths_version": 1}),
    }
    if index.get("noarch") == "python":
        members["info/link.json"] = _json({"noarch": {"type": "python"}, "package_metadata_version": 1})
    members[target] = payload
    made = _conda(stem, members) if kind == ".conda" else _tar_bz2(members)
    output = folder / str(file)
    output.write_bytes(made)
    return output


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=2, sort_keys=True).encode()


def _add(tar: tarfile.TarFile, members: Mapping[str, bytes]) -> None:
    for name, data in members.items():
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(data), MTIME, 0o644
        tar.addfile(member, io.BytesIO(data))


def _tar_bz2(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        _add(tar, members)
    return buffer.getvalue()


def _conda(stem: str, members: Mapping[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="condattest-package-") as folder:
        with conda_builder(stem, folder) as tar:
            _add(tar, members)
        data = bytearray(Path(folder, f"{stem}.conda").read_bytes())
    # metadata.json is the first member. Its time and date stand at 10 in the local header, at 12 in the central one.
    (directory,) = struct.unpack_from("<L", data, len(data) - 6)
    for position in (10, directory + 12):
        struct.pack_into("<2H", data, position, 0, _DOS_DATE)
    return bytes(data)
