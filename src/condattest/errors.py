"""The whole exception tree.

    CondattestError
    |-- Malformed              bytes do not say what they should; carries one Finding; raised by `formats`
    |-- NotAuthenticated       a bundle does not verify; carries one Finding; raised by `signatures`
    |-- Misuse                 the command line, an argument or a configuration is wrong (exit 2)
    |   `-- PolicyInvalid      a policy file is wrong; carries every problem at once
    |-- NoIdentity             there is no identity to sign with (exit 4)
    |-- Unavailable            something outside could not be had (exit 3)
    |   |-- NotFound           the server says that it does not exist
    |   |-- TooLarge           it is larger than the limit
    |   |-- Offline            it would need the network, and none is allowed
    |   `-- ServiceFailed      a signing service refused or did not answer
    |-- Conflict               somebody else changed it in the meantime (exit 3)
    `-- LocalFailure           a local file could not be read or written (exit 3)

Verdicts are values, not exceptions: see `condattest.model.verdict`. This module knows `model` alone.
"""

from collections.abc import Sequence

from condattest.model.channel import redact
from condattest.model.finding import Finding


class CondattestError(Exception):
    """The root of every exception that condattest raises on purpose. `hint` says what to do next."""

    hint: str

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def kind(self) -> str:
        """The name of its class in this tree, for machines: a floor's own subclasses are that floor's affair."""
        return next(each.__name__ for each in type(self).__mro__ if each.__module__ == __name__)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by state, since constructors differ: work in other processes fails here all the same."""
        return _revived, (type(self), self.args, self.__dict__)


def _revived(kind: type[CondattestError], arguments: tuple[object, ...], state: dict[str, object]) -> CondattestError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class _Found(CondattestError):
    finding: Finding

    def __init__(self, finding: Finding) -> None:
        facts = ", ".join(f"{name} {value}" for name, value in finding.facts.items())
        super().__init__(" ".join(part for part in (finding.code.value, finding.where, facts) if part))
        self.finding = finding


class Malformed(_Found):
    """Bytes do not parse as what they should be."""


class NotAuthenticated(_Found):
    """A well-formed bundle that does not verify under the trust root."""


class Misuse(CondattestError):
    """The caller asked for something that cannot be: exit 2."""


class PolicyInvalid(Misuse):
    """A policy text is not a policy; `problems` holds all that is wrong, each with its place."""

    problems: tuple[str, ...]

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{where}: {count}\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


class NoIdentity(CondattestError):
    """No identity to sign with: exit 4. `hint` holds the exact lines to add for the platform."""


class Unavailable(CondattestError):
    """Something outside could not be had: exit 3. `url` and `reason` are shown without credentials."""

    url: str
    reason: str

    def __init__(self, url: str, reason: str, *, hint: str = "") -> None:
        self.url = redact(url)
        self.reason = redact(reason)
        super().__init__(f"{self.url}: {self.reason}", hint=hint)


class NotFound(Unavailable):
    """The server says that it does not exist (404 or 410)."""


class TooLarge(Unavailable):
    """The answer is larger than the limit."""


class Offline(Unavailable):
    """It would need the network, and none is allowed."""


class ServiceFailed(Unavailable):
    """A signing service refused or did not answer; `reason` has its own words."""


class Conflict(CondattestError):
    """What is to be replaced is no longer what was read, since somebody else changed it in the meantime: exit 3."""


class LocalFailure(CondattestError):
    """A local file could not be read or written: exit 3."""
