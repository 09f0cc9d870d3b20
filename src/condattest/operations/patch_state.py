"""What an author of patches keeps outside the channel: the newest generation that they know of.

Owns `descends`, `remember`, and for observers `noted` and `note`. Kept where the channel's host cannot write (committed
with the patches, say), it shows a channel that was put back to an older state, or to another history.

    {"https://conda.example/channel/noarch author": {"generation": 2, "payload": "<sha256>"}}
"""

import json
from pathlib import Path
from typing import Any, Final

from condattest.errors import LocalFailure, Malformed, Misuse
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.patch_chain import Chain, Generation
from condattest.transport import files

MAX_STATE: Final = 1024 * 1024
"""Bytes of a state: some hundred subdirs."""


def descends(state: Path | None, chain: Chain, payloads: tuple[Sha256, ...], *, where: str) -> None:
    """Refuse a chain that does not descend from what the state knows.

    Args:
        state: The file; None where none is kept, and anything goes.
        chain: The generations.
        payloads: The payload of each of them, oldest first.
        where: What to name in a finding.

    Raises:
        Malformed: ROLLBACK.
        Misuse: The file's folder does not exist.
        LocalFailure: The file could not be read, or is no state.
    """
    known = None if state is None else _known(state, chain)
    if known is None:
        return
    number, payload = known
    line = payloads[number - 1] if number <= len(payloads) else None
    if line != payload:
        expected = f"generation {number}, {payload}"
        raise Malformed(Finding.of(Code.ROLLBACK, where, expected=expected, found=line or "an older one"))


def remember(state: Path | None, chain: Chain, generation: Generation) -> None:
    """Write down the newest generation; what the file says of other subdirs stays.

    Raises:
        LocalFailure: The file could not be read or written, or is no state.
    """
    if state is None:
        return
    document = _read(state)
    document[_key(chain)] = {"generation": generation.said.generation, "payload": generation.payload}
    _write(state, document)


def noted(state: Path, chain: Chain) -> object:
    """What `note` wrote down for the subdir; None where it did not.

    Raises:
        Misuse, LocalFailure: As `descends`.
    """
    return _read(state).get(f"{_key(chain)} seen")


def note(state: Path, chain: Chain, value: object) -> None:
    """Write down what an observer saw of the subdir, for the next time.

    Raises:
        LocalFailure: The file could not be read or written, or is no state.
    """
    document = _read(state)
    document[f"{_key(chain)} seen"] = value
    _write(state, document)


def _write(state: Path, document: dict[str, Any]) -> None:
    files.write_new(state, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n", replace=True)


def _known(state: Path, chain: Chain) -> tuple[int, Sha256] | None:
    entry = _read(state).get(_key(chain))
    if entry is None:
        return None
    try:
        number, payload = entry["generation"], Sha256(entry["payload"])
    except (ValueError, KeyError, TypeError) as error:
        raise _no_state(state, error) from None
    if type(number) is not int or number < 1:
        raise _no_state(state, f"expected a generation's number from 1, found {number!r:.80}")
    return number, payload


def _read(state: Path) -> dict[str, Any]:
    if not state.parent.is_dir():
        raise Misuse(f"{state}: there is no such folder", hint=f"create it first: mkdir -p {state.parent}")
    if not state.exists():
        return {}
    try:
        document = json.loads(files.read_bounded(state, MAX_STATE))
    except (ValueError, RecursionError) as error:
        raise _no_state(state, error) from None
    if not isinstance(document, dict):
        raise _no_state(state, "expected an object")
    return document


def _no_state(state: Path, reason: object) -> LocalFailure:
    return LocalFailure(f"{state}: not a state of patch attest: {reason}", hint="restore it from its repository")


def _key(chain: Chain) -> str:
    return f"{chain.channel}/{chain.subdir} {chain.role}"
