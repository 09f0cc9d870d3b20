"""Publish packages with their attestations to a channel that is a store: packages, sidecars, index, in that order.

Owns `publish` and `Published`; what there is to do is a `Plan`. If anything is refused, nothing at all is written.
Publishing may then be killed at any point: a sidecar stands before any index names it, and the same call again leads to
the same bytes. A file that is to be replaced under its name goes first, then a sidecar of its own; a record that an
indexer wrote for the old bytes names no sidecar from then on.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from condattest.errors import CondattestError, Malformed, Misuse
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations import admission, replacement
from condattest.operations.admission import Terms
from condattest.operations.advertise import Indexed, advertise
from condattest.operations.publish_plan import Plan
from condattest.operations.sidecars import Joining, Shelf
from condattest.operations.stored_package import digest_of, unchanged
from condattest.transport import files
from condattest.transport.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of one package.

    Attributes:
        plan: What was to be done.
        uploaded: Whether this call brought the package into the channel.
        sidecar: The digest of its current sidecar; None if it did not come to that.
        appended: How many bundles this call appended.
        listed: Whether an index lists it, and so names its sidecar.
        stale: Whether an index lists other bytes under its name; those records name no sidecar.
        problem: Why it was not published whole.
    """

    plan: Plan
    uploaded: bool = False
    sidecar: Sha256 | None = None
    appended: int = 0
    listed: bool = False
    stale: bool = False
    problem: CondattestError | None = None


def publish(
    plans: Sequence[Plan], store: Store, terms: Terms, *, on_done: Callable[[int], None] = lambda count: None
) -> tuple[list[Published], dict[str, int]]:
    """Carry out plans of which none has findings; what failed is said of each package.

    Args:
        plans: What to do.
        store: The channel.
        terms: The terms that the plans were made under.
        on_done: Told how many packages are done.

    Returns:
        What became of each package, in order; and by path of an index file, how many of its records changed.

    Raises:
        Misuse: A plan has findings.
    """
    if any(each.findings for each in plans):
        raise Misuse("what is refused cannot be published")
    outcomes = {id(each): _uploaded(each, store) for each in plans}
    changed: dict[str, int] = {}
    for subdir in dict.fromkeys(each.artifact.subdir or "" for each in plans):
        group = [each for each in plans if each.artifact.subdir == subdir]
        try:
            with store.hold(subdir):
                for each in group:
                    outcomes[id(each)] = _with_sidecar(outcomes[id(each)], store, terms)
                    on_done(1)
                indexed, moved = _advertised([outcomes[id(each)] for each in group], store, subdir)
        except CondattestError as error:
            for each in group:
                outcomes[id(each)] = replace(outcomes[id(each)], problem=outcomes[id(each)].problem or error)
            continue
        changed |= indexed.changed
        for each in group:
            outcome = replace(outcomes[id(each)], listed=each.artifact.file in indexed.listed)
            if each.artifact.file in indexed.stale:
                outcome = replace(outcome, listed=False, stale=True)
            to = moved.get(each.artifact.file)
            if isinstance(to, Malformed):
                outcome = replace(outcome, problem=to)
            elif to is not None:
                outcome = replace(outcome, sidecar=to)
            outcomes[id(each)] = outcome
    return [outcomes[id(each)] for each in plans], changed


def _uploaded(each: Plan, store: Store) -> Published:
    if each.present or each.source is None:
        return Published(plan=each)
    try:
        if each.replaces is not None:
            swapped = replacement.swap(store, each.path, each.source, each.replaces, each.artifact.sha256)
            return Published(plan=each, uploaded=swapped)
        with files.open_once(each.source) as opened:
            if store.create_from(each.path, unchanged(opened, each.artifact.sha256, each.target)):
                return Published(plan=each, uploaded=True)
        # Somebody else was faster; it is the same package, or it is not.
        there = digest_of(store, each.path)
    except CondattestError as error:
        return Published(plan=each, problem=error)
    if there != each.artifact.sha256:
        where = f"{store.name}/{each.path}"
        finding = Finding.of(Code.PUBLISH_BYTES, where, expected=each.artifact.sha256, found=there or "nothing")
        return Published(plan=each, problem=Malformed(finding))
    return Published(plan=each)


def _with_sidecar(outcome: Published, store: Store, terms: Terms) -> Published:
    if outcome.problem is not None:
        return outcome
    each = outcome.plan
    try:
        choose = admission.chooser(each.offers, terms)
        head = Shelf(store, each.artifact.subdir or "").bring(
            each.artifact.file, choose, only=each.artifact.sha256 if each.replacing else None
        )
    except CondattestError as error:
        return replace(outcome, problem=error)
    if head is None:
        raise AssertionError("a plan without findings has an admitted bundle")
    return replace(outcome, sidecar=head.sha256, appended=head.appended)


def _advertised(
    outcomes: Sequence[Published], store: Store, subdir: str
) -> tuple[Indexed, dict[PackageFile, Sha256 | Malformed]]:
    """Write the index; also the sidecars that were joined on the way, or why one could not be."""
    heads = {each.plan.artifact.file: each.sidecar for each in outcomes if each.sidecar is not None}
    if not heads:
        return Indexed(), {}
    plans = [each.plan for each in outcomes if each.plan.artifact.file in heads]
    about = {each.artifact.file: each.artifact.sha256 for each in plans if each.replacing}
    hint = "restore that sidecar, or give it up: condattest index CHANNEL --drop"
    joining = Joining(Shelf(store, subdir), hint, about)
    return advertise(store, subdir, heads, joining, about=about), joining.moved
