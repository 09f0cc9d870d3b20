"""Packages that are decided by another one are decided as by themselves, whatever the policy says."""

import dataclasses
import hashlib
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import listings
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import VerifiedTime
from condattest.model.finding import Code, Finding
from condattest.operations import audit_records
from condattest.operations.audit_alike import Alike
from condattest.operations.audit_evidence import Had
from condattest.operations.audit_patches import PatchJudge
from condattest.operations.audit_verdicts import Deciding, Terms
from condattest.policy.rules import ALWAYS, ChannelEntry, GitHubSigner, Policy, Revoked, Rule, Window
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import StoreOrigin
from tests import audited_channel
from tests.audited_channel import CHANNEL, NOW, START
from tests.audited_faults import USUAL
from tests.operations.audits import order, run

TERMS = Terms(channel=CHANNEL, trust=audited_channel.trust())


@dataclasses.dataclass
class Kept:
    store: EvidenceStore
    listed: dict[str, list[listings.Listing]]
    had: dict[Sha256, Had]

    def decided(self, terms=TERMS, now=NOW, subdir=None):
        """Each package that was decided by another: how, and how by itself."""
        deciding = Deciding(terms, now)
        alike = Alike(deciding, self.store)
        found = []
        for name, rows in self.listed.items():
            alike.rows(rows, name)  # None is the first of its kind after that.
            if subdir in (None, name):
                for listing, row in zip(rows, alike.rows(rows, name), strict=True):
                    if row is not None:
                        found.append((row, deciding.row(listing, name, self.had[listing.sidecar])))
        return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alike")
    faults = [each for each in USUAL if each != "untrusted"]
    planted = audited_channel.make(folder / "channel", packages=160, each=1, faults=faults)
    with EvidenceStore(folder / "evidence") as store:
        with run(order(planted.root, evidence=store)):
            pass
        origin = StoreOrigin(Directory(planted.root))
        listed = {
            subdir: list(found.listings)
            for subdir in audited_channel.SUBDIRS
            if (found := audit_records.read(origin, subdir)) is not None
        }
        sidecars = [each.sidecar for rows in listed.values() for each in rows if each.sidecar is not None]
        had = {key: Had(value) for key, value in store.known(sidecars, TERMS.trust.sha256).items()}
        yield Kept(store, listed, had)


def test_nearly_all_packages_in_order_are_decided_so_without_a_policy(kept):
    found = kept.decided()
    assert all(row == alone for row, alone in found)
    assert len(found) > 100
    assert {row.status for row, _ in found} == {"accepted"}


@dataclasses.dataclass
class Counting:
    """Decides as another does, and counts."""

    inner: Deciding
    count: int = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def row(self, *given):
        self.count += 1
        return self.inner.row(*given)


def test_a_workflow_is_asked_about_once_and_not_before_it_signed_two_packages(kept):
    """Where each release has a ref of its own, packages are like no others: each would be decided on twice."""
    deciding = Counting(Deciding(TERMS, NOW))
    alike = Alike(deciding, kept.store)
    team = [each for each in kept.listed["noarch"] if each.key.startswith("pkg-")][:5]
    assert [row is None for row in alike.rows(team[:1], "noarch")] == [True]
    assert deciding.count == 0
    assert [row is None for row in alike.rows(team[1:], "noarch")] == [False] * 4
    assert deciding.count == 1


TEAMS = [f"team-{number}/feedstock" for number in range(audited_channel.TEAMS)]
windows = st.sampled_from([ALWAYS, ALWAYS, ALWAYS, Window(end=START + timedelta(days=2)), Window(start=NOW)])
signers = st.builds(
    GitHubSigner,
    name=st.just("signer"),
    repository=st.sampled_from(["*", *TEAMS[:30]]).map(lambda each: each if each != "*" else "team-1/*"),
    owner_id=st.none() | st.just("1"),
    ref=st.sampled_from([None, "refs/heads/main", "refs/tags/*"]),
    triggers=st.sampled_from([("push", "release"), ("release",)]),
    valid=windows,
)
DIGESTS = st.frozensets(st.integers(0, 159), max_size=3)
rules = st.fixed_dictionaries(
    {
        "teams": st.sets(st.sampled_from(TEAMS), min_size=1, max_size=40),
        "more": st.lists(signers, max_size=2),
        "min_age": st.sampled_from([timedelta(), timedelta(), timedelta(days=145), timedelta(days=2)]),
        "threshold": st.sampled_from([1, 1, 1, 2]),
        "action": st.sampled_from(["require", "require", "report"]),
        "target_channel": st.sampled_from(["required", "optional"]),
        "baseline": DIGESTS,
    }
)


def made(number, package, given, digests):
    told = tuple(GitHubSigner(name=each, repository=each) for each in sorted(given["teams"]))
    is_report = given["action"] == "report"
    return Rule(
        name=f"rule {number}",
        channel=CHANNEL,
        package=package,
        signers=(*told, *given["more"]),
        threshold=given["threshold"],
        min_age=given["min_age"],
        action=given["action"],
        reason="why" if is_report else None,
        expires=NOW + timedelta(days=1) if is_report else None,
        baseline=frozenset(digests[each] for each in given["baseline"]),
        target_channel=given["target_channel"],
    )


@given(
    everything=rules,
    special=st.dictionaries(st.sampled_from(["late-0", "once-0", "downgrade-0", "taken-over-0", "pkg-00018"]), rules),
    revoked=DIGESTS,
    days=st.integers(0, 3),
)
def test_whatever_a_policy_says_each_is_decided_as_by_itself(kept, everything, special, revoked, days):
    digests = [each.sha256 or Sha256("0" * 64) for rows in kept.listed.values() for each in rows][:160]
    asked = [("*", everything), *special.items()]
    policy = Policy(
        source="policy.toml",
        rules=tuple(made(number, package, each, digests) for number, (package, each) in enumerate(asked)),
        revoked=Revoked(sha256=frozenset(digests[each] for each in revoked)),
    )
    terms = dataclasses.replace(TERMS, policy=policy)
    for row, alone in kept.decided(terms, NOW + timedelta(days=days)):
        assert row == alone


def policy_of(*teams, **more):
    told = tuple(GitHubSigner(name=each, repository=each, **more.pop("signer", {})) for each in teams)
    return dataclasses.replace(
        TERMS, policy=Policy(source="p", rules=(Rule(name="r", channel=CHANNEL, signers=told, **more),))
    )


def test_under_a_policy_the_rule_is_named_and_strangers_are_left_to_be_told(kept):
    found = kept.decided(policy_of(*TEAMS[:20]))
    assert all(row == alone for row, alone in found)
    assert len(found) > 50
    assert {row.rule for row, _ in found} == {"r"}
    assert all(any(f"/{team}/" in each.identity for team in TEAMS[:20]) for row, _ in found for each in row.signed)


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param(policy_of(*TEAMS, signer={"valid": Window(start=START)}), id="a signer that is valid for a time"),
        pytest.param(policy_of(*TEAMS, min_age=timedelta(days=3650)), id="all too young"),
        pytest.param(policy_of(*TEAMS, threshold=2), id="more signers than each has"),
        pytest.param(policy_of("stranger/x"), id="somebody else"),
        pytest.param(
            policy_of("stranger/x", action="report", reason="why", expires=NOW + timedelta(days=1)),
            id="accepted, with something to say",
        ),
    ],
)
def test_what_may_be_otherwise_for_each_is_left_to_be_decided_one_by_one(kept, terms):
    assert kept.decided(terms) == []


def test_a_package_is_held_against_its_own_statement(kept):
    """Two packages' sidecars are swapped in the index: each is authentic, and for another package."""
    rows = [each for each in kept.listed["noarch"] if each.file is not None and each.file.name.startswith("pkg-")]
    first, second = rows[:2]
    swapped = [
        msgspec.structs.replace(first, sidecar=second.sidecar),
        msgspec.structs.replace(second, sidecar=first.sidecar),
    ]
    alike = Alike(Deciding(TERMS, NOW), kept.store)
    alike.rows(rows[:2], "noarch")
    assert all(alike.rows(rows[:2], "noarch"))
    assert alike.rows(swapped, "noarch") == [None, None]
    other = msgspec.structs.replace(first, sha256=Sha256("0" * 64))
    assert alike.rows([other], "noarch") == [None]


def test_another_trust_root_has_proved_nothing(kept):
    assert kept.decided(dataclasses.replace(TERMS, trust=other_root())) == []


def other_root():
    return TrustRoot.from_json(audited_channel.attacker().trusted_root_json().encode(), name="other")


def of_one_workflow(kept):
    """Packages, all signed by the same workflow."""
    return [each for each in kept.listed["noarch"] if each.key.startswith("pkg-")][:5]


def of_rules(*rules, **more):
    return dataclasses.replace(TERMS, policy=Policy(source="p", rules=rules, **more))


def lax(**more):
    told = tuple(GitHubSigner(name=each, repository=each) for each in TEAMS)
    return Rule(**{"name": "lax", "channel": CHANNEL, "signers": told} | more)


STRICT = {"name": "strict", "signers": (GitHubSigner(name="x", repository="stranger/x"),)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"indexed": int(NOW.timestamp() * 1000)}, id="indexed just now"),
        pytest.param({"finding": Finding.of(Code.BIND_METADATA, "x")}, id="a record that is not sound"),
        pytest.param({"sidecar": None}, id="no sidecar"),
        pytest.param({"file": None}, id="no package"),
    ],
)
def test_what_a_record_says_is_held_against_each(kept, change):
    team = of_one_workflow(kept)
    alike = Alike(Deciding(of_rules(lax(min_age=timedelta(days=2))), NOW), kept.store)
    alike.rows(team, "noarch")
    assert all(alike.rows(team, "noarch"))
    assert alike.rows([msgspec.structs.replace(each, **change) for each in team], "noarch") == [None] * len(team)


def of_another_package(kept, listing, name):
    """What the same workflow would have signed for a package of another name: its record, and what is proved of it."""
    proof = kept.had[listing.sidecar].evidence[0]
    file = PackageFile.parse(f"{name}-1.0-0.conda")
    payload = proof.payload.replace(listing.key.encode(), str(file).encode())
    bundle = Sha256(hashlib.sha256(payload).hexdigest())
    proof = dataclasses.replace(proof, payload=payload, bundle_sha256=bundle)
    return msgspec.structs.replace(listing, key=str(file), file=file, sidecar=bundle), proof


def put(store, listing, proof):
    store.put(proof)
    store.put_sidecar(listing.sidecar, proof.trust_root_sha256, [proof.bundle_sha256])
    store.save()


@pytest.mark.parametrize("asked", [STRICT, {"trusted_root": "other.json"}], ids=["another signer", "another root"])
def test_what_one_rule_accepts_says_nothing_of_another_one_s_packages(kept, tmp_path, asked):
    """Packages of the same workflow: the rule of one of them asks for somebody else, or for another trust root."""
    listing = of_one_workflow(kept)[0]
    usual, usual_proof = of_another_package(kept, listing, "usual")
    special, special_proof = of_another_package(kept, listing, "special")
    other = other_root()
    terms = of_rules(lax(), lax(package="special", **asked), trust_roots={"other.json": other.sha256})
    terms = dataclasses.replace(terms, roots={"other.json": other})
    with EvidenceStore(tmp_path / "evidence") as store:
        put(store, usual, usual_proof)
        put(store, special, special_proof)
        alike = Alike(Deciding(terms, NOW), store)
        rows = alike.rows([usual, special, usual, special, usual, special], "noarch")
        assert [row is None for row in rows] == [True, True, False, True, False, True]
        # Of the kind of those that another root did prove something of, and decided: that one proved nothing.
        under = of_rules(lax(), lax(package="special", trusted_root="other.json"), trust_roots=terms.policy.trust_roots)
        proved, proof = of_another_package(kept, of_one_workflow(kept)[1], "special")
        put(store, proved, dataclasses.replace(proof, trust_root_sha256=other.sha256))
        alike = Alike(Deciding(dataclasses.replace(under, roots=terms.roots), NOW), store)
        same = msgspec.structs.replace(usual, sidecar=special.sidecar)
        rows = alike.rows([proved, proved, special, same], "noarch")
        assert [row is None for row in rows] == [True, False, True, True]


def test_each_has_its_own_time_and_whoever_says_it(kept, tmp_path):
    first, second = of_one_workflow(kept)[:2]
    proofs = [kept.had[each.sidecar].evidence[0] for each in (first, second)]
    stamped = (VerifiedTime(START - timedelta(hours=1), "tsa", "somebody"), *proofs[1].times)
    proofs[1] = dataclasses.replace(proofs[1], times=stamped)
    deciding = Deciding(TERMS, NOW)
    with EvidenceStore(tmp_path / "evidence") as store:
        for proof, listing in zip(proofs, (first, second), strict=True):
            put(store, listing, proof)
        rows = Alike(deciding, store).rows([first, first, second], "noarch")[1:]
    assert rows == [deciding.row(first, "noarch", Had(proofs[:1])), deciding.row(second, "noarch", Had(proofs[1:]))]
    assert [row.signed[0].source for row in rows] == ["log", "tsa"]


def test_a_mirror_s_packages_are_held_against_the_rule_of_the_channel(kept):
    mirror = Channel("https://mirror.example/audited")
    entry = ChannelEntry(url=CHANNEL, mirrors=(mirror,))
    terms = of_rules(lax(**STRICT), lax(channel=None), channels=(entry,))
    assert kept.decided(dataclasses.replace(terms, channel=mirror)) == []
    terms = of_rules(lax(), lax(channel=None, **STRICT), channels=(entry,))
    found = kept.decided(dataclasses.replace(terms, channel=mirror))
    assert len(found) > 100
    assert all(row == alone for row, alone in found)


def test_where_patches_are_judged_each_record_is(kept):
    judge = PatchJudge(CHANNEL, of_rules(lax()).policy, TERMS.trust, {}, None, None, None, demand="policy", now=NOW)
    alike = Alike(Deciding(of_rules(lax()), NOW, judge), kept.store)
    team = of_one_workflow(kept)
    assert alike.rows(team, "noarch") == alike.rows(team, "noarch") == [None] * len(team)


def test_evidence_that_is_gone_decides_nothing(kept, tmp_path):
    """Of the first of its kind the whole evidence is asked for: facts alone are none."""
    listing = next(each for each in kept.listed["noarch"] if each.key.startswith("pkg-"))
    proof = kept.had[listing.sidecar].evidence[0]
    with EvidenceStore(tmp_path / "evidence") as store:
        store.put(proof, b"damaged")
        store.put_sidecar(listing.sidecar, TERMS.trust.sha256, [proof.bundle_sha256])
        store.save()
        assert store.facts([listing.sidecar], TERMS.trust.sha256)
        assert Alike(Deciding(TERMS, NOW), store).rows([listing] * 2, "noarch") == [None] * 2
