"""The policy of a channel for audits: a rule for each package name, and who may patch its records.

Owns `policy`. What each fault's packages are under it stands in `audited_faults`.
"""

import hashlib
import json
from collections.abc import Iterable

from condattest.sandbox import github
from tests.audited_channel import Planted
from tests.audited_faults import EVERY, Fault
from tests.audited_package import CHANNEL, digest_of

PATCHER = "patches/feedstock"
KEYS = ("depends", "constrains")


def policy(planted: Planted) -> str:
    """The policy's text. Each name may be signed by its own repository alone."""
    teams: dict[str, dict[str, str]] = {PATCHER: {}}
    for team, fault in planted.names.values():
        teams.setdefault(team, {}).update(EVERY[fault].signers if fault is not None else {})
    lines = ["version = 1"]
    lines.extend(line for team, more in teams.items() for line in _signer(team, more))
    for name, (team, fault) in planted.names.items():
        kind = Fault() if fault is None else EVERY[fault]
        if kind.rule is not None:
            held = [digest_of(place) for place in planted.places.get("baseline", ()) if f"/{name}-" in place]
            lines.extend(_rule(name, [team, *filter(None, [kind.second])], kind.rule, held))
    lines += ["[[patch]]", f'channel = "{CHANNEL.url}"', f'signers = ["{_named(PATCHER)}"]', 'max-age = "30d"']
    revoked = _list(digest_of(place) for place in planted.places.get("revoked", ()))
    lines += [f"keys = {_list(KEYS)}", "[revoked]", f"sha256 = {revoked}"]
    return "\n".join(lines) + "\n"


def _named(team: str) -> str:
    return f"s-{hashlib.sha256(team.encode()).hexdigest()[:12]}"


def _signer(team: str, more: dict[str, str]) -> list[str]:
    claims = github(team).claims
    return [
        f"[signer.{_named(team)}]",
        'kind = "github"',
        f'repository = "{team}"',
        f"repository-id = {claims['repository_id']}",
        f"owner-id = {claims['repository_owner_id']}",
        'workflow = ".github/workflows/release.yml"',
        'ref = "refs/heads/main"',
        *(f"{key} = {value}" for key, value in more.items()),
    ]


def _rule(name: str, teams: list[str], more: str, held: list[str]) -> list[str]:
    lines = ["[[rule]]", f'channel = "{CHANNEL.url}"', f'package = "{name}"', f"signers = {_list(map(_named, teams))}"]
    return [*lines, more, *([f"baseline = {_list(held)}"] if held else [])]


def _list(values: Iterable[str]) -> str:
    return json.dumps(list(values))
