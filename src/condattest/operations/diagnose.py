"""What works here, and what to do about the rest.

Owns `Check` and `diagnose`. Each check says what it found; one that could not run says so and is no pass. conda is
asked for its own settings, which tells whether it loads the plugin, too. Nothing is changed, and no token is asked for:
identities are told by the environment alone.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, Final, Literal

from condattest.errors import CondattestError
from condattest.operations import install_gate
from condattest.operations.install_gate import Mode
from condattest.operations.policy_file import Loaded
from condattest.signatures import identity
from condattest.signatures.refresh import default_cache
from condattest.signatures.trust_root import TrustRoot

State = Literal["ok", "warning", "failed"]
_RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time than this version's."""
_LIBRARIES: Final = ("sigstore", "cryptography", "in-toto-attestation", "rfc3161-client", "conda-package-streaming")
_EXTRAS: Final = {"proxy": ("condattest proxy", "starlette", "uvicorn"), "s3": ("channels in buckets", "obstore")}
"""What each extra is for, and the modules that it brings."""
CONDA_SETTINGS: Final = ("plugins.condattest_mode", "plugins.condattest_policy")
"""What conda has to be asked for; it knows them if it loads the plugin."""
_GATE: Final = {
    Mode.OFF: "the gate is off",
    Mode.REPORT: "the gate warns of what the policy does not accept, and lets it be installed",
    Mode.REQUIRE: "the gate refuses what the policy does not accept",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it stands, what was found, and what to do."""

    name: str
    state: State
    found: str
    advice: str = ""


def diagnose(
    *,
    environ: Mapping[str, str],
    interactive: bool,
    now: datetime,
    trust: Callable[[], TrustRoot],
    policy: Callable[[], Loaded | None],
    conda: Callable[[], Mapping[str, Any]] | None,
) -> Iterator[Check]:
    """Run every check, in the order in which their failures explain each other.

    Args:
        environ: The environment variables.
        interactive: Whether a person sits at a terminal.
        now: The clock.
        trust: Gives the trust root.
        policy: Gives the policy that applies by default.
        conda: Gives `CONDA_SETTINGS` as conda in this Python environment shows them; None where it is not in it.
    """
    yield _libraries()
    yield _extras()
    yield _clock(now)
    yield _trust(trust)
    yield _cache(default_cache())
    yield _policy(policy)
    yield _identity(environ, interactive)
    yield _elsewhere(environ) if conda is None else _conda(conda, policy)


def _libraries() -> Check:
    found, missing = [], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("libraries", "failed", f"missing: {', '.join(missing)}", "install condattest again")
    return Check("libraries", "ok", ", ".join(found))


def _extras() -> Check:
    missing = [name for name, (_, *modules) in _EXTRAS.items() if not all(find_spec(module) for module in modules)]
    if not missing:
        return Check("extras", "ok", ", ".join(_EXTRAS))
    here = [name for name in _EXTRAS if name not in missing]
    found = f"not installed: {', '.join(missing)}" + (f"; installed: {', '.join(here)}" if here else "")
    uses = " and ".join(_EXTRAS[name][0] for name in missing)
    advice = f"for {uses}: pip install 'condattest[{','.join(missing)}]'"
    return Check("extras", "ok", found, advice)


def _clock(now: datetime) -> Check:
    shown = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if now < _RELEASED:
        advice = "set the clock: certificates are asked for, and ages are judged, by it"
        return Check("clock", "failed", f"{shown}, before this version was made", advice)
    return Check("clock", "ok", shown)


def _trust(trust: Callable[[], TrustRoot]) -> Check:
    try:
        root = trust()
    except CondattestError as error:
        return Check("trust root", "failed", str(error), error.hint or "check the network, or use --trusted-root FILE")
    found = f"{root.name}, sha256 {root.sha256}, {'can sign' if root.can_sign else 'cannot sign'}"
    if root.notes:
        facts = root.notes[0].facts
        found += f"; refreshed: {facts.get('refreshed')} ({facts.get('reason')})"
        return Check("trust root", "warning", found, "verification works; run it once with network to refresh the root")
    return Check("trust root", "ok", found)


def _cache(folder: Path) -> Check:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if os.access(place, os.W_OK):
        return Check("cache", "ok", str(folder))
    return Check("cache", "warning", f"{folder} cannot be written", "the trust root is fetched anew in each run")


def _policy(read: Callable[[], Loaded | None]) -> Check:
    try:
        loaded = read()
    except CondattestError as error:
        return Check("policy", "failed", str(error), error.hint or "condattest policy check FILE tells every error")
    if loaded is None:
        advice = "verify asks for --repository, --identity or --policy then; condattest policy init writes one"
        return Check("policy", "ok", "no policy file of the user's or the system's", advice)
    found = loaded.policy
    return Check("policy", "ok", f"{found.source}, {len(found.rules)} rules, sha256 {found.sha256}")


def _identity(environ: Mapping[str, str], interactive: bool) -> Check:
    platform = identity.platform(environ)
    for name in identity.VARIABLES:
        if environ.get(name):
            return Check("identity", "ok", f"a token in {name}")
    if platform == "github":
        if environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
            return Check("identity", "ok", "GitHub Actions, with id-token: write")
        return Check("identity", "warning", "GitHub Actions, without id-token: write", identity.how_to_sign(environ))
    if interactive and platform is None:
        return Check("identity", "ok", "a terminal: a browser will ask who you are")
    found = f"none ({platform})" if platform else "none"
    return Check("identity", "warning", f"{found}: verification works, signing does not", identity.how_to_sign(environ))


def _elsewhere(environ: Mapping[str, str]) -> Check:
    place = environ.get("CONDA_EXE") or which("conda", path=environ.get("PATH", ""))
    if not place:
        return Check("conda", "ok", "not in this Python environment; nothing here needs it")
    advice = "for conda attest and a gate in front of what conda installs, install condattest into its environment, too"
    return Check("conda", "ok", f"not in this Python environment, but at {place}", advice)


def _conda(ask: Callable[[], Mapping[str, Any]], policy: Callable[[], Loaded | None]) -> Check:
    try:
        told = ask()
    except CondattestError as error:
        return Check("conda", "warning", str(error), error.hint or "conda config --show plugins says more")
    ours = told.get("plugins")
    if not isinstance(ours, Mapping) or "condattest_mode" not in ours:
        advice = "conda config --show no_plugins has to say False; otherwise install condattest again"
        return Check("conda", "warning", "in this Python environment, and does not load the plugin", advice)
    named = str(ours.get("condattest_policy") or "")
    if named and not Path(named).expanduser().is_file():
        return Check("conda", "failed", f"condattest_policy: no such file: {named}", "name the policy's path")
    setting = str(ours["condattest_mode"] or "")
    setting = "off" if setting.lower() == "false" else setting  # YAML 1.1 takes a bare `off` for false.
    try:
        mode = install_gate.mode(setting, has_policy=bool(named) or policy() is not None)
    except CondattestError as error:
        return Check("conda", "failed", str(error), error.hint)
    advice = "" if mode is Mode.REQUIRE else "conda config --set plugins.condattest_mode require"
    return Check("conda", "ok", f"loads the plugin: conda attest; {_GATE[mode]}{f' ({named})' * bool(named)}", advice)
