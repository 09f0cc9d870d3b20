"""Find and read a policy file, and the trust roots that it names.

Owns `find`, `read` and `Loaded`. Refuses a file that others may write, and one that is not a policy, whole. Paths of
trust roots are relative to the policy's folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from condattest.errors import LocalFailure, Misuse, PolicyInvalid
from condattest.policy import discovery, rules
from condattest.policy.rules import Policy
from condattest.signatures.trust_root import TrustRoot
from condattest.transport import files

MAX_POLICY: Final = 16 * 1024 * 1024
"""Bytes of a policy file; a baseline of 100,000 digests has 7 MB."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that applies, and the trust roots that its rules name, by their path in it."""

    policy: Policy
    roots: Mapping[str, TrustRoot] = field(default_factory=dict)


def find(
    explicit: Path | None, environ: Mapping[str, str], user_dir: Path | None, system_dir: Path | None
) -> Path | None:
    """Return the policy file to read, or None where nobody has one.

    Raises:
        Misuse: The file that is named does not exist.
    """
    paths = discovery.candidates(explicit, environ, user_dir, system_dir)
    found = next((path for path in paths if os.path.lexists(path)), None)
    if found is None and (explicit is not None or environ.get(discovery.VARIABLE)):
        raise Misuse(f"{paths[0]}: no such policy file", hint="condattest policy init CHANNEL writes one")
    return found


def read(path: Path, *, now: datetime) -> Loaded:
    """Read a policy file and its trust roots.

    Raises:
        PolicyInvalid: It is not a policy, or may not be believed; every problem at once.
        Misuse: It is no file, or a trust root that it names is not one.
        LocalFailure: It cannot be read.
    """
    # Imported here: without a policy file, the models that read one would cost a tenth of a short command's time.
    from condattest.policy import load

    data = bytes_of(path)
    policy = load.parse(data, where=str(path), now=now)
    named = [rule.trusted_root for rule in policy.rules] + [patch.trusted_root for patch in policy.patches]
    roots = {name: TrustRoot.from_file(path.parent / name) for name in named if name is not None}
    digests = {name: root.sha256 for name, root in roots.items()}
    return Loaded(rules.with_trust_roots(policy, digests), roots)


def text(path: Path) -> str:
    """Return the text of a policy file that is to be extended; raises as `read` does."""
    try:
        return bytes_of(path).decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyInvalid(str(path), ["expected UTF-8 text"]) from None


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file that may be believed as a policy; raises as `read` does."""
    with files.open_once(path) as opened:
        status = os.fstat(opened.fileno())
        if hasattr(os, "getuid"):
            unsafe = discovery.unsafe_mode(status.st_mode, status.st_uid, os.getuid())
            if unsafe is not None:
                raise PolicyInvalid(str(path), [f"the file may not be believed: {unsafe}"])
        try:
            data = opened.read(MAX_POLICY + 1)
        except OSError as error:
            raise LocalFailure(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_POLICY:
        raise PolicyInvalid(str(path), [f"expected at most {MAX_POLICY} bytes, found more"])
    return data
