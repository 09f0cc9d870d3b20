import inspect
import re

import pytest

from condattest import errors
from condattest.errors import (
    CondattestError,
    Malformed,
    Misuse,
    NotAuthenticated,
    NotFound,
    Offline,
    PolicyInvalid,
    ServiceFailed,
    TooLarge,
    Unavailable,
)
from condattest.model.finding import Code, Finding


def drawn_tree() -> dict[str, str | None]:
    """Read the docstring's tree: each class with the class that it hangs on."""
    parents: dict[str, str | None] = {}
    branch: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():
        node = re.match(r"(?P<indent>[ |]*(?:[|`]-- )?)(?P<name>[A-Z][A-Za-z]+)(?: {2,}|$)", line)
        if node is None or not line.startswith(" "):
            continue
        while branch and branch[-1][0] >= len(node["indent"]):
            branch.pop()
        parents[node["name"]] = branch[-1][1] if branch else None
        branch.append((len(node["indent"]), node["name"]))
    return parents


def real_tree() -> dict[str, str | None]:
    """The public exception classes of the module, each with its nearest public ancestor."""
    parents: dict[str, str | None] = {}
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, BaseException) and not name.startswith("_"):
            above = [base.__name__ for base in value.__mro__[1:] if base.__module__ == errors.__name__]
            parents[name] = next((base for base in above if not base.startswith("_")), None)
    return parents


def test_the_docstring_draws_the_whole_tree_and_nothing_else():
    assert drawn_tree() == real_tree()


def test_every_exception_has_one_root():
    assert [name for name, parent in real_tree().items() if parent is None] == ["CondattestError"]
    assert issubclass(CondattestError, Exception)


@pytest.mark.parametrize("kind", [Malformed, NotAuthenticated])
def test_an_exception_about_bytes_carries_its_finding_and_says_it(kind):
    finding = Finding.of(Code.BUNDLE_SHAPE, "tlogEntries", expected="a list", found="{}")
    error = kind(finding)
    assert error.finding is finding
    assert str(error) == "BUNDLE-SHAPE tlogEntries expected a list, found {}"
    assert error.hint == ""


def test_a_finding_without_place_and_facts_is_its_code_alone():
    assert str(Malformed(Finding(Code.CRYPTO))) == "CRYPTO"


def test_a_wrong_policy_tells_every_problem_at_once():
    error = PolicyInvalid("policy.toml", ["line 1: a", "line 2: b"])
    assert isinstance(error, Misuse)
    assert error.problems == ("line 1: a", "line 2: b")
    assert str(error) == "policy.toml: 2 problems\n  line 1: a\n  line 2: b"


@pytest.mark.parametrize("kind", [Unavailable, NotFound, TooLarge, Offline, ServiceFailed])
@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host.example/x",
        "https://me@mail.example:secret@host.example/x",
        "https://host.example/t/secret/x",
        "https://host.example/x?sig=secret",
    ],
)
def test_what_could_not_be_had_never_shows_credentials(kind, url):
    """A private channel's token ends up in a public CI log."""
    error = kind(url, f"cannot connect to {url}", hint="try again")
    for text in (str(error), repr(error), error.url, error.reason, *map(str, error.args)):
        assert "secret" not in text
    assert "host.example" in error.url
    assert error.hint == "try again"


def test_the_reason_of_an_absence_is_kept():
    error = NotFound("https://host.example/x", "not found (HTTP 404)")
    assert (error.url, error.reason) == ("https://host.example/x", "not found (HTTP 404)")
    assert str(error) == "https://host.example/x: not found (HTTP 404)"
    assert isinstance(error, Unavailable)


def test_the_kind_of_an_error_is_its_class_in_this_tree():
    """Machines match on it: the class of another module that happened to raise it would come and go."""

    class Hidden(ServiceFailed):
        """As `transport` has one for what may be tried again."""

    assert Hidden("https://host.example", "no").kind == "ServiceFailed"
    assert [error.kind for error in (Misuse("x"), NotFound("x", "y"))] == ["Misuse", "NotFound"]


def test_a_hint_is_apart_from_the_message():
    error = Misuse("no such file", hint="give one")
    assert (str(error), error.hint) == ("no such file", "give one")
