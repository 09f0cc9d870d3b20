"""What no single key of a policy can say: mandatory pairs, names that must exist, ties, exceptions that ran out.

Owns `check`. It reads the parsed file as it is, beside the documents and not after them, so that one run shows every
problem; whatever has another type than it should is passed over here, since `documents` reports it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from condattest.model.signer import GITHUB_ISSUER, GITLAB_ISSUER
from condattest.policy import fields, grammar
from condattest.policy.lines import Path
from condattest.policy.problems import NOTHING, Problem, describe, nearest

_WORKFLOW_ISSUERS: Final = {GITHUB_ISSUER: "github", GITLAB_ISSUER: "gitlab"}
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(fields.Moment)
_Table = Mapping[str, Any]


def check(raw: _Table, *, now: datetime) -> Iterator[Problem]:
    """Yield each problem; `now` judges which exceptions ran out."""
    signers = _tables(raw, "signer")
    rules, patches, channels = _list(raw, "rule"), _list(raw, "patch"), _list(raw, "channel")
    if "rule" not in raw and "patch" not in raw:
        yield Problem((), "at least one [[rule]] or [[patch]]", NOTHING, "a policy without rules rejects everything")
    for key in ("rule", "patch", "channel"):
        if raw.get(key) == []:
            yield Problem((key,), f"[[{key}]] tables", "an empty list")
    for name, signer in signers.items():
        yield from _signer(("signer", name), name, signer)
    yield from _channels(channels)
    urls = {entry.get("url") for _, entry in channels if isinstance(entry.get("url"), str)}
    mirrors = {url for _, entry in channels for _, url in _texts(entry, "mirrors")} - urls
    yield from _rules(rules, signers, mirrors, now)
    yield from _patches(patches, signers, mirrors)


def _signer(path: Path, name: str, signer: _Table) -> Iterator[Problem]:
    try:
        grammar.signer_name(name)
    except ValueError as error:
        yield Problem(path, str(error), describe(name))
    kind, repository, issuer = (_word(signer, key) for key in ("kind", "repository", "issuer"))
    if kind in ("github", "gitlab"):
        if repository is not None and repository.endswith("/" + grammar.ANY) and "owner-id" not in signer:
            yield Problem((*path, "owner-id"), "the owner's id, since repository is a wildcard", NOTHING)
        elif "repository-id" not in signer and "owner-id" not in signer:
            # A name can be deleted and taken by someone else; the ids are never given twice.
            yield Problem(path, "repository-id or owner-id", NOTHING, "names can be taken over, ids cannot")
        if kind == "gitlab" and "build-signer" in signer and "workflow" in signer:
            yield Problem((*path, "workflow"), "no workflow beside build-signer", hint="GitLab has one claim for both")
        if kind == "gitlab" and (issuer or "").endswith("/"):
            yield Problem((*path, "issuer"), "the GitLab's URL without a trailing slash", describe(issuer))
    elif issuer in _WORKFLOW_ISSUERS:
        needed = _WORKFLOW_ISSUERS[issuer]
        hint = "another kind would not ask for ids and triggers"
        yield Problem((*path, "kind"), f'"{needed}" for this issuer', describe(kind), hint)
    yield from _repeated(signer, "triggers", path)
    window = signer.get("valid")
    if isinstance(window, Mapping):
        start, end = _moment(window.get("from")), _moment(window.get("until"))
        if not window:
            yield Problem((*path, "valid"), "from, until or both", "an empty table")
        elif start and end and start >= end:
            yield Problem((*path, "valid"), "from before until", f"{start.isoformat()} and {end.isoformat()}")


def _rules(
    rules: list[tuple[int, _Table]], signers: Mapping[str, _Table], mirrors: set[str], now: datetime
) -> Iterator[Problem]:
    places: dict[tuple[str, str], int] = {}
    for number, rule in rules:
        path: Path = ("rule", number)
        yield from _names(path, rule, signers)
        yield from _not_a_mirror(path, rule, mirrors)
        channel, package = rule.get("channel"), rule.get("package")
        if isinstance(channel, str) and isinstance(package, str):
            first = places.setdefault((channel, package), number)
            if first != number:
                found = f"[[rule]] {first + 1}, which is as specific"
                yield Problem(path, "one rule for this channel and package", found, "join them, or name packages")
        yield from _exception(path, rule, now)
        yield from _repeated(rule, "baseline", path)
        yield from _repeated(rule, "attestations", path)
        provenance = any(kind == "slsa-provenance" for _, kind in _texts(rule, "attestations"))
        if provenance and "builder" not in rule:
            yield Problem((*path, "builder"), "the exact builder id that provenance must state", NOTHING)
        if not provenance and "builder" in rule:
            yield Problem((*path, "builder"), 'no builder without "slsa-provenance" in attestations')


def _exception(path: Path, rule: _Table, now: datetime) -> Iterator[Problem]:
    if rule.get("action") == "report":
        for key in ("reason", "expires"):
            if key not in rule:
                yield Problem((*path, key), f'{key}, which action = "report" needs', NOTHING)
        expires = _moment(rule.get("expires"))
        if expires is not None and expires <= now:
            hint = 'renew it, or say action = "require"'
            yield Problem((*path, "expires"), f"a time after {now.isoformat()}", expires.isoformat(), hint)
    elif rule.get("action", "require") == "require":
        for key in ("reason", "expires"):
            if key in rule:
                yield Problem((*path, key), f'no {key} without action = "report"')


def _patches(patches: list[tuple[int, _Table]], signers: Mapping[str, _Table], mirrors: set[str]) -> Iterator[Problem]:
    places: dict[tuple[str, str], int] = {}
    for number, patch in patches:
        path: Path = ("patch", number)
        yield from _names(path, patch, signers)
        yield from _not_a_mirror(path, patch, mirrors)
        yield from _repeated(patch, "keys", path)
        channel, role = patch.get("channel"), patch.get("role", "author")
        if isinstance(channel, str) and isinstance(role, str):
            first = places.setdefault((channel, role), number)
            if first != number:
                yield Problem(path, "one [[patch]] for this channel and role", f"[[patch]] {first + 1} too")
        if role == "observer":
            # Its chain says less than an author's, and whoever holds the channel must not be able to replace it.
            if "min-age" not in patch:
                yield Problem((*path, "min-age"), "a cool-down, which an observer needs", NOTHING)
            provenance = _word(patch, "provenance")
            if "provenance" not in patch:
                yield Problem((*path, "provenance"), "where the observer's generations are", NOTHING)
            elif provenance and isinstance(channel, str) and f"{provenance}/".startswith(f"{channel}/"):
                yield Problem((*path, "provenance"), "a place outside the channel", describe(provenance))


def _channels(channels: list[tuple[int, _Table]]) -> Iterator[Problem]:
    urls: dict[str, int] = {}
    for number, entry in channels:
        url = entry.get("url")
        if isinstance(url, str) and urls.setdefault(url, number) != number:
            yield Problem(
                ("channel", number, "url"), "one [[channel]] for each URL", f"[[channel]] {urls[url] + 1} too"
            )
    mirrors: dict[str, int] = {}
    for number, entry in channels:
        yield from _repeated(entry, "target-channels", ("channel", number))
        for element, mirror in _texts(entry, "mirrors"):
            path: Path = ("channel", number, "mirrors", element)
            if "/label/" in mirror:
                # A label holds other packages under the same host path.
                yield Problem(path, "a mirror; a label is a channel of its own", describe(mirror))
            if mirror in urls:
                yield Problem(path, "a URL that is no [[channel]] itself", f"[[channel]] {urls[mirror] + 1}")
            if mirror in mirrors:
                yield Problem(path, "a mirror of one channel, once", f"[[channel]] {mirrors[mirror] + 1} too")
            mirrors.setdefault(mirror, number)


def _names(path: Path, table: _Table, signers: Mapping[str, _Table]) -> Iterator[Problem]:
    yield from _repeated(table, "signers", path)
    names = _texts(table, "signers")
    for element, name in names:
        if name not in signers:
            expected = f"a [signer.NAME] of this file: {', '.join(sorted(signers)[:10]) or 'there is none'}"
            yield Problem((*path, "signers", element), expected, describe(name), nearest(name, signers))
    threshold = table.get("threshold", 1)
    if isinstance(threshold, int) and names and all(name in signers for _, name in names):
        most = _most_distinct([signers[name] for _, name in names])
        if most is not None and threshold > most:
            expected = f"at most {most}, the number of distinct repositories or identities among the signers"
            yield Problem((*path, "threshold"), expected, describe(threshold))


def _most_distinct(signers: list[_Table]) -> int | None:
    """How many distinct signers there can be; None if a wildcard leaves that open."""
    distinct = set()
    for signer in signers:
        identity = _word(signer, "repository") or _word(signer, "email") or _word(signer, "san")
        if identity is None or identity.endswith("/" + grammar.ANY):
            return None
        distinct.add((_word(signer, "kind"), _word(signer, "issuer"), identity))
    return len(distinct)


def _not_a_mirror(path: Path, table: _Table, mirrors: set[str]) -> Iterator[Problem]:
    channel = table.get("channel")
    if isinstance(channel, str) and channel in mirrors:
        yield Problem((*path, "channel"), "the canonical channel, not one of its mirrors", describe(channel))


def _repeated(table: _Table, key: str, path: Path) -> Iterator[Problem]:
    seen: set[str] = set()
    for element, text in _texts(table, key):
        if text in seen:
            yield Problem((*path, key, element), "each element once", f"{describe(text)} again")
        seen.add(text)


def _word(table: _Table, key: str) -> str | None:
    value = table.get(key)
    return value if isinstance(value, str) else None


def _texts(table: _Table, key: str) -> list[tuple[int, str]]:
    """The texts of a list, each with its index; other elements are passed over."""
    value = table.get(key)
    elements = enumerate(value) if isinstance(value, list) else ()
    return [(element, text) for element, text in elements if isinstance(text, str)]


def _tables(raw: _Table, key: str) -> dict[str, _Table]:
    value = raw.get(key)
    entries = value.items() if isinstance(value, Mapping) else ()
    return {name: table for name, table in entries if isinstance(table, Mapping)}


def _list(raw: _Table, key: str) -> list[tuple[int, _Table]]:
    value = raw.get(key)
    elements = enumerate(value) if isinstance(value, list) else ()
    return [(number, table) for number, table in elements if isinstance(table, Mapping)]


def _moment(value: object) -> datetime | None:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError:
        return None
