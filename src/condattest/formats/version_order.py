"""The order of conda versions, as solvers have it: `1.0.dev1 < 1.0a1 < 1.0 < 1.0.post1 < 1!0`.

Owns `order` and `Order`. A version is an optional epoch (`2!`), a dotted part, and an optional local part (`+...`);
parts are split at `.`, `_` and `-`, and into runs of digits and of letters. A missing run counts as 0, letters come
before numbers, `dev` before all letters, `post` after all numbers. `packaging` refuses many of conda's versions.

Spec: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html#version-ordering
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from itertools import zip_longest
from typing import Final

_RUN: Final = re.compile(r"[0-9]+|[^0-9]+")
_Atom = tuple[int, int, str]
_Segment = tuple[_Atom, ...]
_ZERO: Final[_Atom] = (2, 0, "")
"""A number; letters are (1, 0, text), `dev` is (0, 0, ""), `post` is (3, 0, "")."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A version's place in the order; two spellings of a version have the same."""

    parts: tuple[tuple[_Segment, ...], ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and _compared(self, other) == 0

    def __lt__(self, other: "Order") -> bool:
        return _compared(self, other) < 0

    __hash__ = None  # type: ignore[assignment]  # Spellings differ.


def order(version: str) -> Order:
    """A key that sorts versions as conda does; any text has one."""
    text = version.lower()
    epoch, bang, rest = text.partition("!")
    if not bang:
        epoch, rest = "0", text
    main, _, local = rest.partition("+")
    return Order((_part(epoch), _part(main), _part(local) if local else ()))


def _compared(one: Order, other: Order) -> int:
    for mine, theirs in zip(one.parts, other.parts, strict=True):
        for segment, against in zip_longest(mine, theirs, fillvalue=(_ZERO,)):
            for atom, counter in zip_longest(segment, against, fillvalue=_ZERO):
                if atom != counter:
                    return -1 if atom < counter else 1
    return 0


def _part(text: str) -> tuple[_Segment, ...]:
    return tuple(_segment(each) for each in re.split(r"[._-]", text))


def _segment(text: str) -> _Segment:
    atoms = [_atom(run) for run in _RUN.findall(text)]
    # What begins with letters begins with a zero before them: 1.1.a1 and 1.1.0a1 are one version.
    if not atoms or atoms[0][0] != 2:
        atoms.insert(0, _ZERO)
    return tuple(atoms)


def _atom(run: str) -> _Atom:
    if run.isascii() and run.isdecimal():
        # Python reads no integer of more than 4,300 digits.
        return (2, int(run[:4000]), "")
    if run == "dev":
        return (0, 0, "")
    if run == "post":
        return (3, 0, "")
    return (1, 0, run)
