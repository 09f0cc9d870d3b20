"""The record that a client holds beside the one that the channel serves.

Owns `disagreements`. A client keeps a record in its own form: keys that it does not know are gone, empty values come
and go, features are a text or a list. So only the keys below are compared, in a form that both can be brought to.
"""

from collections.abc import Mapping
from typing import Any, Final

ALWAYS: Final = ("depends", "constrains")
"""Compared even where one side has no such key: that is the same as an empty list."""
IF_HELD: Final = ("license", "license_family", "track_features", "features", "build_number", "noarch")
"""Compared where the client holds a value."""


def disagreements(held: Mapping[str, Any], served: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys in which a client's record is not the one that is served."""
    compared = [*ALWAYS, *(key for key in IF_HELD if _plain(key, held.get(key)) is not None)]
    return tuple(key for key in compared if _plain(key, held.get(key)) != _plain(key, served.get(key)))


def _plain(key: str, value: Any) -> Any:
    if key == "track_features" and isinstance(value, str):
        value = value.replace(",", " ").split()
    if isinstance(value, list | tuple | set | frozenset):
        value = [str(each) for each in value]
        value = sorted(value) if key == "track_features" else value
    return None if value in (None, "", []) else value
