"""A statement is about the artifact by name and by digest, and was made for its channel."""

import pytest

from condattest.formats import provenance, publish
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.policy.bind import Bound, Foreign, Unbound, bind, channel_finding
from condattest.policy.rules import ChannelEntry, Policy, Rule
from tests.policy.made_evidence import (
    CHANNEL,
    OTHER,
    ZLIB,
    artifact,
    built,
    github,
    published,
    raw_statement,
    signed,
    subject,
)

MIRROR, STAGING = Channel("https://mirror.example/x"), Channel("https://prefix.dev/staging")
POLICY = Policy(source="p", channels=(ChannelEntry(url=CHANNEL, mirrors=(MIRROR,), target_channels=(STAGING,)),))
RULE = Rule(name="r", signers=())


def publish_of(subjects, predicate_type=publish.PREDICATE_TYPE, predicate=None, **rest):
    return signed(raw_statement(subjects, predicate_type, predicate), github(), **rest)


def code(evidence, of=ZLIB):
    outcome = bind(evidence, of)
    assert isinstance(outcome, Unbound), outcome
    return outcome.finding.code


def test_a_publish_attestation_is_bound_and_names_its_channel():
    assert bind(published(), ZLIB) == Bound("publish", target=CHANNEL)
    assert bind(published(channel=None), ZLIB) == Bound("publish")


def test_another_version_is_another_artifact():
    """A real attestation of an older version beside a package of a newer."""
    assert code(published(artifact(version="1.2"))) is Code.BIND_NAME


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "noarch/zlib-1.3-0.conda",
        "zlib-1.3-0.conda\0",
        "zlib-1.3-0.CONDA",
        "zlib-1.3-0.tar.bz2",
        "zl\u0456b-1.3-0.conda",
        " zlib-1.3-0.conda",
    ],
)
def test_a_name_is_compared_whole(name):
    """A name that some other tool would fold, cut or show as the package's own."""
    given = {"digest": {"sha256": str(ZLIB.sha256)}}
    assert code(publish_of([given if name is None else {**given, "name": name}])) is Code.BIND_NAME


def test_the_right_name_on_other_bytes_is_not_bound():
    """The name of a package that is signed, on a file that is not."""
    assert code(published(artifact(digest=Sha256("0" * 64)))) is Code.BIND_DIGEST


def test_a_predicate_type_that_begins_like_the_publish_one_is_refused():
    """A type with a suffix passes for the publish one where a verifier compares prefixes."""
    assert code(publish_of([subject(ZLIB)], publish.PREDICATE_TYPE + "2")) is Code.STMT_PREDICATE


def test_a_payload_of_another_type_says_nothing():
    """JSON that looks like a statement, signed as plain text."""
    outcome = bind(published(payload_type="text/plain"), ZLIB)
    assert isinstance(outcome, Unbound)
    assert (outcome.finding.code, outcome.kind) == (Code.STMT_TYPE, None)


def test_two_subjects_are_not_one():
    """A second subject rides along under the first one's name."""
    assert code(publish_of([subject(ZLIB), subject(artifact("openssl"))])) is Code.STMT_SUBJECT


def test_other_predicates_are_foreign():
    assert bind(publish_of([subject(ZLIB)], "https://example.com/sbom"), ZLIB) == Foreign("https://example.com/sbom")


def test_provenance_may_list_many_subjects():
    evidence = built(subjects=[subject(artifact("openssl")), subject(ZLIB)])
    outcome = bind(evidence, ZLIB)
    assert isinstance(outcome, Bound)
    assert outcome.kind == "slsa-provenance"
    assert outcome.provenance.source == "https://github.com/hunger/octoconda"


def test_provenance_of_the_bytes_under_another_name_is_not_bound():
    """The same bytes, built as another package."""
    renamed = {"name": "openssl-3-0.conda", "digest": {"sha256": str(ZLIB.sha256)}}
    assert code(built(subjects=[renamed])) is Code.BIND_NAME


def test_provenance_of_other_bytes_is_not_bound():
    other = {"name": str(ZLIB.file), "digest": {"sha256": "0" * 64}}
    assert code(built(subjects=[other])) is Code.BIND_DIGEST
    assert code(built(subjects=[subject(artifact("openssl"))])) is Code.BIND_DIGEST


def test_malformed_provenance_is_known_as_provenance():
    outcome = bind(signed(raw_statement([subject(ZLIB)], provenance.PREDICATE_TYPE, {}), github()), ZLIB)
    assert isinstance(outcome, Unbound)
    assert (outcome.finding.code, outcome.kind) == (Code.STMT_PREDICATE, "slsa-provenance")


@pytest.mark.parametrize("target", [CHANNEL, MIRROR, STAGING])
def test_a_channel_is_met_by_its_own_names(target):
    assert channel_finding(Bound("publish", target), CHANNEL, RULE, POLICY) is None


def test_a_statement_for_another_channel_is_a_replay():
    """A package of a lax channel is served from a strict one, with its true attestation."""
    finding = channel_finding(Bound("publish", OTHER), CHANNEL, RULE, POLICY)
    assert (finding.code, finding.facts["expected"], finding.facts["found"]) == (
        Code.CHANNEL_MISMATCH,
        CHANNEL.url,
        OTHER.url,
    )
    # A staging channel's statements are good in the channel, and not the other way round.
    assert channel_finding(Bound("publish", CHANNEL), STAGING, RULE, POLICY) is not None


def test_an_absent_channel_is_refused_unless_it_is_optional():
    """A statement without a channel can be replayed to any."""
    optional = Rule(name="r", signers=(), target_channel="optional")
    assert channel_finding(Bound("publish"), CHANNEL, RULE, POLICY).code is Code.CHANNEL_ABSENT
    assert channel_finding(Bound("publish"), CHANNEL, optional, POLICY) is None
    assert channel_finding(Bound("publish", OTHER), CHANNEL, optional, POLICY).code is Code.CHANNEL_MISMATCH
    assert channel_finding(Bound("publish"), None, RULE, POLICY) is None
