import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import publish
from condattest.formats import statement as statements
from condattest.formats.publish import PREDICATE_TYPE, Publish
from condattest.formats.statement import PAYLOAD_TYPE, Statement, Subject
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel, canonical
from condattest.model.finding import Code, Finding

HEX = "0123456789abcdef" * 4
NAME = "zlib-1.2.11-h7b6447c_3.conda"
ARTIFACT = Artifact(PackageFile.parse(NAME), Sha256(HEX))
CHANNEL = Channel("https://prefix.dev/my-channel")
SUBJECT = Subject(NAME, {"sha256": HEX})


def a_statement(*subjects, predicate_type=PREDICATE_TYPE, predicate=None) -> Statement:
    return Statement(subjects or (SUBJECT,), predicate_type, predicate)


def refused(statement: Statement) -> Finding:
    with pytest.raises(Malformed) as caught:
        publish.parse(statement)
    finding = caught.value.finding
    assert finding.where.startswith("payload: ")
    assert all(len(value) < 500 for value in finding.facts.values())
    return finding


def test_the_signed_bytes_are_exactly_the_shape_of_cep_27():
    assert statements.dump(publish.statement(ARTIFACT, CHANNEL)) == (
        b'{"_type":"https://in-toto.io/Statement/v1",'
        b'"subject":[{"name":"zlib-1.2.11-h7b6447c_3.conda",'
        b'"digest":{"sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}],'
        b'"predicateType":"https://schemas.conda.org/attestations-publish-1.schema.json",'
        b'"predicate":{"targetChannel":"https://prefix.dev/my-channel"}}'
    )


def test_without_a_channel_the_signed_bytes_have_no_predicate():
    assert statements.dump(publish.statement(ARTIFACT, None)) == (
        b'{"_type":"https://in-toto.io/Statement/v1",'
        b'"subject":[{"name":"zlib-1.2.11-h7b6447c_3.conda",'
        b'"digest":{"sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}],'
        b'"predicateType":"https://schemas.conda.org/attestations-publish-1.schema.json"}'
    )


@pytest.mark.parametrize("channel", [CHANNEL, None])
def test_what_is_stated_reads_back(channel):
    payload = statements.dump(publish.statement(ARTIFACT, channel))
    assert publish.parse(statements.parse(PAYLOAD_TYPE, payload)) == Publish(NAME, Sha256(HEX), channel)


@settings(deadline=None)  # The first dump imports protobuf.
@given(
    st.from_regex(r"[a-z][a-z-]{0,9}-[0-9.]{1,5}-[a-z0-9_]{1,6}\.(conda|tar\.bz2)", fullmatch=True),
    st.binary(min_size=32, max_size=32),
    st.none() | st.from_regex(r"https://[a-z]{1,8}\.dev(/[a-zA-Z0-9~-]{1,8}){0,3}", fullmatch=True).map(canonical),
)
def test_every_statement_that_is_made_reads_back(name, digest, channel):
    artifact = Artifact(PackageFile.parse(name), Sha256.of_bytes(digest))
    payload = statements.dump(publish.statement(artifact, channel))
    read = publish.parse(statements.parse(PAYLOAD_TYPE, payload))
    assert read == Publish(name, artifact.sha256, channel)


def test_a_published_statement_reads_back_to_its_bytes(real_data):
    from condattest.formats import bundle

    path = real_data / "signed-package" / "signed-package-2.1.0-hb0f4dca_0.conda.sigstore.json"
    payload = bundle.parse(path.read_bytes()).payload
    read = publish.parse(statements.parse(PAYLOAD_TYPE, payload))
    artifact = Artifact(PackageFile.parse("signed-package-2.1.0-hb0f4dca_0.conda"), read.sha256)
    assert read.name == str(artifact.file)
    assert statements.dump(publish.statement(artifact, read.target_channel)) == payload


@pytest.mark.parametrize("predicate", [None, {}, {"targetChannel": None}], ids=repr)
def test_the_channel_may_be_left_out(predicate):
    assert publish.parse(a_statement(predicate=predicate)).target_channel is None


@pytest.mark.parametrize("name", [None, "../x", "x\0", "zlib-1.CONDA", "zl\u0456b-1.2.11-h7b6447c_3.conda"], ids=repr)
def test_any_name_is_passed_on_exactly_since_binding_judges_it(name):
    """A name that is cleaned up while it is read is compared as another name than the signed one."""
    assert publish.parse(a_statement(Subject(name, {"sha256": HEX}))).name == name


@pytest.mark.parametrize(
    ("predicate_type", "claims"),
    [
        (PREDICATE_TYPE, True),
        (PREDICATE_TYPE + "/v2", True),
        (PREDICATE_TYPE + "#x", True),
        ("https://slsa.dev/provenance/v1", False),
        (PREDICATE_TYPE.upper(), False),
        ("", False),
    ],
)
def test_a_statement_that_begins_like_cep_27_claims_to_be_one(predicate_type, claims):
    assert publish.claims_to_be(predicate_type) is claims


@pytest.mark.parametrize(
    "predicate_type",
    [
        PREDICATE_TYPE + "/v2",
        PREDICATE_TYPE + "?x",
        PREDICATE_TYPE + " ",
        PREDICATE_TYPE.replace("https", "http"),
        PREDICATE_TYPE.replace("-1.", "-2."),
        "https://slsa.dev/provenance/v1",
    ],
)
def test_another_predicate_type_is_refused(predicate_type):
    """A type with a suffix passes where only the beginning is compared, and may mean anything."""
    assert refused(a_statement(predicate_type=predicate_type)).code is Code.STMT_PREDICATE


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_statement_without_exactly_one_subject_is_refused(count):
    """A second subject rides along with the one that was reviewed."""
    statement = Statement((SUBJECT,) * count, PREDICATE_TYPE, None)
    assert refused(statement).code is Code.STMT_SUBJECT


@pytest.mark.parametrize(
    "digest",
    [
        {"sha256": HEX, "sha512": HEX * 2},
        {"sha256": HEX, "md5": HEX[:32]},
        {"sha512": HEX * 2},
        {"SHA256": HEX},
        {"sha-256": HEX},
        {},
    ],
    ids=lambda digest: ", ".join(digest) or "none",
)
def test_a_digest_of_another_kind_or_an_extra_one_is_refused(digest):
    """A client that compares the weaker of two digests is given a collision."""
    assert refused(a_statement(Subject(NAME, digest))).code is Code.STMT_SUBJECT


@pytest.mark.parametrize(
    "sha256",
    [HEX.upper(), HEX[:-1], HEX + "0", "", HEX + "\n", "sha256:" + HEX, HEX[:-1] + "g", "x" * 100_000],
    ids=len,
)
def test_a_digest_in_another_spelling_is_refused(sha256):
    """An upper-case digest equals the file's for one client and not for another; a short one matches many files."""
    assert refused(a_statement(Subject(NAME, {"sha256": sha256}))).code is Code.STMT_SUBJECT


@pytest.mark.parametrize(
    "predicate",
    [
        {"targetChannel": CHANNEL.url, "extra": 1},
        {"target_channel": CHANNEL.url},
        {"targetchannel": CHANNEL.url},
        {"extra": None},
    ],
    ids=lambda predicate: ", ".join(predicate),
)
def test_a_predicate_with_other_keys_is_refused(predicate):
    """A key that this program passes over may be what another client decides by."""
    assert refused(a_statement(predicate=predicate)).code is Code.STMT_PREDICATE


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("https://prefix.dev/my-channel\t", id="a tab"),
        pytest.param("https://prefix.dev/my\n-channel", id="a line feed"),
        pytest.param("https://user:secret@prefix.dev/my-channel", id="credentials"),
        pytest.param("https://prefix.dev/t/secret/my-channel", id="a token"),
        pytest.param("https://prefix.dev/my-channel/", id="a trailing slash"),
        pytest.param("https://prefix.dev/x/../my-channel", id="a parent folder"),
        pytest.param("https://prefix.dev/x/%2e%2E/my-channel", id="an encoded parent folder"),
        pytest.param("https://Prefix.dev/my-channel", id="an upper-case host"),
        pytest.param("https://prefix.dev:443/my-channel", id="the default port"),
        pytest.param("https://prefix.dev/my-channel?x", id="a query"),
        pytest.param("https://pref\u0456x.dev/my-channel", id="a homoglyph"),
        pytest.param("my-channel", id="a name alone"),
        pytest.param("", id="nothing"),
        pytest.param(["https://prefix.dev/my-channel"], id="a list"),
        pytest.param({"url": "https://prefix.dev/my-channel"}, id="an object"),
        pytest.param(1, id="a number"),
        pytest.param(False, id="false"),
    ],
)
def test_a_target_channel_in_another_spelling_is_refused(target):
    """Each of these is the right channel to a client that cleans it up, and another one to a client that does not."""
    finding = refused(a_statement(predicate={"targetChannel": target}))
    assert finding.code is Code.STMT_TARGET_CHANNEL
    assert "secret" not in repr(finding)


def _read(payload_type: str, payload: bytes) -> Publish | Code:
    try:
        return publish.parse(statements.parse(payload_type, payload))
    except Malformed as error:
        return error.finding.code


PLAIN = statements.dump(publish.statement(ARTIFACT, CHANNEL))


def test_a_plain_statement_is_read_at_once():
    assert publish.of_plain(PAYLOAD_TYPE, PLAIN) == Publish(NAME, Sha256(HEX), CHANNEL)
    assert publish.of_plain("application/json", PLAIN) is None
    long = PLAIN.replace(NAME.encode(), b"n" * statements.MAX_PAYLOAD)
    assert publish.of_plain(PAYLOAD_TYPE, long) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"}}", b"}} ", id="a space at the end"),
        pytest.param(b'"predicate":', b'"predicate": ', id="a space within"),
        pytest.param(b'{"targetChannel"', b'{"targetChannel":"https://x.example/y","targetChannel"', id="a key twice"),
        pytest.param(b'{"_type"', b'{"predicate":null,"_type"', id="another predicate first"),
        pytest.param(b'{"sha256"', b'{"sha512":"00","sha256"', id="another digest"),
        pytest.param(b'{"targetChannel"', b'{"more":1,"targetChannel"', id="more in the predicate"),
        pytest.param(b"}}", b'},"more":1}', id="more in the statement"),
        pytest.param(b"https://prefix", b"https:\\/\\/prefix", id="another spelling"),
        pytest.param(b"zlib", b"\\u007alib", id="an escape"),
        pytest.param(b"zlib", b"\xff", id="no UTF-8"),
        pytest.param(b"Statement/v1", b"statement/v1", id="another case"),
        pytest.param(b"attestations-publish-1", b"attestations-publish-2", id="another predicate type"),
        pytest.param(b"abcdef", b"ABCDEF", id="an upper-case digest"),
        pytest.param(b"my-channel", b"my-channel/", id="a channel that is not canonical"),
    ],
)
def test_what_is_not_laid_out_plainly_is_left_to_the_rules(old, new):
    assert old in PLAIN
    assert publish.of_plain(PAYLOAD_TYPE, PLAIN.replace(old, new)) is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(PLAIN)),
            st.integers(0, 3),
            st.sampled_from(
                [
                    b"",
                    b" ",
                    b'"',
                    b"\\",
                    b"\\u0041",
                    b",",
                    b"{}",
                    b"null",
                    b"\x00",
                    b"\xc3\xa9",
                    b'"sha256":"00",',
                    b"0",
                ]
            ),
        ),
        max_size=2,
    )
)
def test_where_it_says_anything_the_rules_say_the_same(edits):
    payload = PLAIN
    for at, length, text in edits:
        payload = payload[:at] + text + payload[at + length :]
    said = publish.of_plain(PAYLOAD_TYPE, payload)
    assert said is None or said == _read(PAYLOAD_TYPE, payload)


def test_a_short_command_does_not_import_a_reader_for_plain_statements():
    """To import msgspec takes longer than it saves where one statement is read."""
    program = "import sys; import condattest.policy.bind; print('msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
