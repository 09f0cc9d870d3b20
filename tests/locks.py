"""Lock files as conda, conda-lock and pixi write them, for packages that a test names."""

import hashlib
import json
from pathlib import Path

URL = "https://conda.example/channel"
SHA = "ab" * 32
MD5 = "cd" * 16


def explicit(*lines: str, platform: str | None = "linux-64") -> bytes:
    """What `conda list --explicit --sha256` prints."""
    head = "# This file may be used to create an environment using:\n# $ conda create --name <env> --file <this file>\n"
    said = f"# platform: {platform}\n" if platform else ""
    return (head + said + "@EXPLICIT\n" + "".join(f"{line}\n" for line in lines)).encode()


def conda_lock(*rows: dict, platforms=("linux-64",)) -> bytes:
    """A conda-lock.yml; JSON is YAML, and the tests of the YAML reader have the other style."""
    return json.dumps({"version": 1, "metadata": {"platforms": list(platforms)}, "package": list(rows)}).encode()


def conda_row(name="numbers", url=f"{URL}/noarch/numbers-1.0-0.conda", platform="linux-64", **keys) -> dict:
    row = {"name": name, "version": "1.0", "manager": "conda", "platform": platform, "url": url}
    return row | {"dependencies": {}, "hash": {"md5": MD5, "sha256": SHA}, "category": "main"} | keys


def pixi(*rows: dict, version=6, environments=None, **keys) -> bytes:
    """A pixi.lock; by default one environment for linux-64 has every row."""
    kinds = ("conda", "pypi", "conda_source")
    refer = [{kind: row[kind]} for row in rows for kind in kinds if kind in row]
    environments = environments or {"default": {"channels": [{"url": URL}], "packages": {"linux-64": refer}}}
    return json.dumps({"version": version, "environments": environments, "packages": list(rows)} | keys).encode()


def pixi_row(url=f"{URL}/noarch/numbers-1.0-0.conda", **keys) -> dict:
    return {"conda": url, "sha256": SHA, "md5": MD5, "depends": ["python"], "license": "MIT"} | keys


def digest(path: Path, name: str = "sha256") -> str:
    return hashlib.new(name, path.read_bytes()).hexdigest()


def conda_meta(prefix: Path, url: str, sha256: str | None, record: dict, /, **keys) -> Path:
    """What a client writes into an environment for a package that it linked."""
    fn = url.rsplit("/", 1)[-1]
    said = record | {"fn": fn, "url": url, "channel": url.rsplit("/", 1)[0], "files": [], "link": {"type": 1}}
    said |= {"sha256": sha256} if sha256 else {}
    folder = prefix / "conda-meta"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (fn.removesuffix(".conda").removesuffix(".tar.bz2") + ".json")
    path.write_text(json.dumps(said | keys))
    return path
