"""conda's side of the check before linking: an action of its transactions.

Owns `BeforeLink`. conda calls `verify` before it links anything. With `safety_checks: disabled` it calls no `verify`
at all: then `execute`, which comes before all linking, does it.
"""

from typing import Any

from conda.core.path_actions import Action


class BeforeLink(Action):  # type: ignore[misc] # conda has no types where it is not installed
    """Ends a transaction that would link what may not be installed."""

    def verify(self) -> Any:
        """Return the error that ends the transaction, or None; conda does not want it raised."""
        from conda import CondaError

        from condattest.conda_plugin.gate import before_link

        try:
            before_link(tuple(self.link_precs or ()))
        except CondaError as error:
            return error
        self._verified = True
        return None

    def execute(self) -> None:
        """Raise the error if nobody verified."""
        if not self._verified and (error := self.verify()) is not None:
            raise error

    def reverse(self) -> None:
        """Nothing was done."""

    def cleanup(self) -> None:
        """Nothing is left."""
