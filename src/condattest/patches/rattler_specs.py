"""Match specifications as rattler-index 0.28 rewrites them, on their way into records.

Owns `rewritten` and `Unforetold`.

    in an archive or instruction   packages, packages.conda   v3
    numpy                          numpy                      numpy
    Python  3.9*                   python 3.9.*               python[version="3.9.*"]
    zlib>=1.2, <1.3                zlib >=1.2,<1.3            zlib[version=">=1.2,<1.3"]
    foo 1.01 h1_0                  foo ==1.1 h1_0             foo[version="==1.1",build="h1_0"]
    foo=1.0                        foo 1.0.*                  foo[version="1.0.*"]

That is what nearly all records have: a name, a version, a build. Channels, other brackets than those of the right
column, parentheses, regular expressions and comments are not foretold here: `Unforetold`. So is what rattler refuses.

Spec: CEP 29, https://github.com/conda/ceps/blob/main/cep-0029.md
"""

import re
from functools import lru_cache
from typing import Final

_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_BUILD: Final = r"[A-Za-z0-9_.+*]+"
_PARTS: Final = r"[A-Za-z0-9]+(?:[._][A-Za-z0-9]+)*"
_VERSION: Final = rf"(?:[1-9][0-9]{{0,8}}!)?{_PARTS}(?:_|\+{_PARTS})?"
_CONSTRAINT: Final = rf"(?:[<>=!~]=|[<>=])?\s*(?:{_VERSION}(?:\.?\*)?|\*)"
_VERSIONS: Final = rf"{_CONSTRAINT}(?:\s*[,|]\s*{_CONSTRAINT})*"
_FLAT: Final = re.compile(
    rf"\s*(?P<name>{_NAME}?)(?:(?:\s+|(?=[<>=!~]))(?P<versions>{_VERSIONS})(?:(?:\s+|(?<![<>=!~])=)(?P<build>{_BUILD}))?)?\s*",
    re.ASCII,
)
_BRACKETS: Final = re.compile(
    rf'(?P<name>{_NAME})\[version="(?P<versions>{_VERSIONS})"(?:,build="(?P<build>{_BUILD})")?\]', re.ASCII
)
_PART: Final = re.compile(rf"([<>=!~]=|[<>=])?\s*({_VERSION}|(?=\*))(\.?\*)?", re.ASCII)
_SEPARATOR: Final = re.compile(r"\s*([,|])\s*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+", re.ASCII)
_MOST_DIGITS: Final = 18


class Unforetold(Exception):
    """What the indexer would write is not known here; the message says what would be."""


@lru_cache(maxsize=65_536)
def rewritten(spec: str, *, v3: bool) -> str:
    """The specification as rattler-index writes it into a record.

    Raises:
        Unforetold: It has more than a name, a version and a build, or is one that rattler refuses.
    """
    match = _FLAT.fullmatch(spec) or _BRACKETS.fullmatch(spec)
    if match is None:
        raise Unforetold("a name, and perhaps a version and a build")
    name = match["name"].lower()
    if match["versions"] is None:
        return name
    build = match["build"]
    version = _versions(match["versions"], with_build=build is not None)
    if v3:
        return f'{name}[version="{version}"]' if build is None else f'{name}[version="{version}",build="{build}"]'
    return f"{name} {version}" if build is None else f"{name} {version} {build}"


def _versions(text: str, *, with_build: bool) -> str:
    first, *rest = _SEPARATOR.split(text)
    alone = with_build and not rest
    return _constraint(first, very=alone, starred=not with_build) + "".join(
        part if part in ",|" else _constraint(part, very=False, starred=False) for part in rest
    )


def _constraint(text: str, *, very: bool, starred: bool) -> str:
    """Rewrite one; `very` where `=1.0` is that version alone, `starred` where `==1.0.*` keeps its asterisk."""
    match = _PART.fullmatch(text)
    if match is None:
        raise Unforetold("versions")
    operator, version, star = match[1] or "", match[2].lower(), match[3] is not None
    if not version:
        if operator in ("!=", "<", ">"):
            raise Unforetold("a version after the operator")
        return "*"
    if any(len(number) > _MOST_DIGITS for number in _NUMBER.findall(version)):
        raise Unforetold("shorter numbers")
    version = _NUMBER.sub(lambda number: number[0].lstrip("0") or "0", version)
    match operator:
        case "":
            return f"{version}.*" if star else f"=={version}"
        case "=":
            return f"=={version}" if very and not star else f"{version}.*"
        case "==":
            return f"{version}.*" if star and starred else f"=={version}"
        case "!=":
            return f"!={version}.*" if star else f"!={version}"
        case ">" if star:
            return f">={version}"
        case _:
            return f"{operator}{version}"
