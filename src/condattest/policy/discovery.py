"""Where a policy is looked for, and whether its file may be believed. Pure: the caller reads the file system.

Owns `candidates` and `unsafe_mode`. The current directory is never looked in, nor a package: whoever wrote what is
verified must not also say how.
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "CONDATTEST_POLICY"
FILE_NAME: Final = "policy.toml"


def candidates(
    explicit: Path | None, environ: Mapping[str, str], user_dir: Path | None, system_dir: Path | None
) -> list[Path]:
    """The policy files to try, the first that exists being the one.

    What is named, as an argument or else by CONDATTEST_POLICY, is the only candidate: that it does not exist is an
    error, never a reason to take another. Directories that are not absolute would mean the current one: they are left
    out.
    """
    named = environ.get(VARIABLE)
    if explicit is not None:
        return [explicit]
    if named:
        return [Path(named)]
    return [folder / FILE_NAME for folder in (user_dir, system_dir) if folder is not None and folder.is_absolute()]


def unsafe_mode(st_mode: int, st_uid: int, uid: int) -> str | None:
    """Say why a policy file with this mode and owner may not be believed by the user `uid`; None if it may.

    Root believes any owner's file: in containers the workspace belongs to another user.
    """
    if not stat.S_ISREG(st_mode):
        return "it is not a regular file"
    if st_mode & stat.S_IWOTH:
        return "everybody may write it: chmod o-w"
    if st_uid not in (0, uid) and uid != 0:
        return f"it belongs to user {st_uid}, neither to you nor to root"
    return None
