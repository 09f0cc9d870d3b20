"""What an audit says of a subdir as a whole: the files of a store, and who patched its records, and when.

Owns `Whole` and `look`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from condattest.model.audit import Patched
from condattest.model.finding import Finding
from condattest.operations import audit_records
from condattest.operations.audit_order import Order
from condattest.operations.audit_patches import PatchJudge, held, timeline, unexplained
from condattest.operations.checks import sidecars
from condattest.operations.checks.check import Scope
from condattest.operations.patch_chain import Chain
from condattest.policy.patch_signers import Authority


@dataclass(slots=True)
class Whole:
    """What was found so far, kept where a later step fails.

    Attributes:
        stored: What is wrong with the files of the store.
        findings: What is wrong with the generations of patches.
        patches: The generations, newest first.
        unexplained: How many served records no generation explains; None where that cannot be told.
    """

    stored: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    patches: tuple[Patched, ...] = ()
    unexplained: int | None = None


def look(order: Order, scope: Scope, subdir: str, judge: PatchJudge | None, put: Callable[[Whole], None]) -> None:
    """Look at a subdir as a whole.

    Args:
        order: What is audited.
        scope: What of it is looked at.
        subdir: The subdir.
        judge: What judged the patches of records, so that generations are read once.
        put: Takes what was found, once, whatever fails.

    Raises:
        Malformed: A file of the index is none.
        Unavailable, LocalFailure: Something could not be read.
    """
    whole = Whole()
    try:
        if scope.lists_folders and order.store is not None:
            whole.stored = sidecars.of_store(order.store, subdir)
        if not order.index_only and scope.is_first:
            _patches(order, scope, subdir, judge, whole)
    finally:
        put(whole)


def _patches(order: Order, scope: Scope, subdir: str, judge: PatchJudge | None, whole: Whole) -> None:
    chain = (judge.chain(subdir) if judge is not None else None) or held(
        Chain(
            order.origin,
            order.terms.applied.home(order.terms.channel),
            subdir,
            "author",
            Authority(None, order.terms.trust.sha256),
            order.terms.every_root,
        )
    )
    chain.void = order.terms.applied.revoked.patch
    steps, findings = timeline(chain)
    whole.patches, whole.findings = tuple(steps), tuple(findings)
    if findings or scope.mode != "full" or (not steps and order.store is None):
        return  # Behind a URL, the second index is fetched only where there is somebody who explains anything.
    found = audit_records.read(order.origin, subdir)
    if found is not None:
        whole.unexplained = unexplained(order.origin, subdir, found.listings, chain)
