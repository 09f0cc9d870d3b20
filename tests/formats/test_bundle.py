import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import bundle
from condattest.formats.bundle import MAX_BUNDLE, MAX_TOKENS
from condattest.model.finding import Code
from tests.formats.bundles import (
    ABSENT,
    CERTIFICATE,
    KEY_ID,
    PAYLOAD,
    SIGNATURE,
    TOKENS,
    a_bundle,
    a_document,
    b64,
    changed,
    encoded,
)

ENTRY = "verificationMaterial.tlogEntries.0"
STAMPS = "verificationMaterial.timestampVerificationData.rfc3161Timestamps"


def paths(value: object, prefix: str = "") -> list[str]:
    """Every place in a JSON value, as `changed` takes it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in items:
        found += [f"{prefix}{key}", *paths(inner, f"{prefix}{key}.")]
    return found


PATHS = paths(a_document())


def value_at(path: str) -> object:
    value = a_document()
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


OBJECTS = [path for path in PATHS if isinstance(value_at(path), dict)]
BINARIES = [
    "verificationMaterial.certificate.rawBytes",
    f"{ENTRY}.logId.keyId",
    f"{ENTRY}.inclusionPromise.signedEntryTimestamp",
    f"{ENTRY}.inclusionProof.rootHash",
    f"{ENTRY}.inclusionProof.hashes.3",
    f"{ENTRY}.canonicalizedBody",
    f"{STAMPS}.0.signedTimestamp",
    "dsseEnvelope.payload",
    "dsseEnvelope.signatures.0.sig",
]
NUMBERS = [
    f"{ENTRY}.logIndex",
    f"{ENTRY}.integratedTime",
    f"{ENTRY}.inclusionProof.logIndex",
    f"{ENTRY}.inclusionProof.treeSize",
]
OPTIONAL = {
    "verificationMaterial.timestampVerificationData",
    STAMPS,
    f"{ENTRY}.integratedTime",
    f"{ENTRY}.inclusionPromise",
}


def refused(document: object) -> Code:
    with pytest.raises(Malformed) as caught:
        bundle.parse(document if isinstance(document, bytes) else encoded(document))
    finding = caught.value.finding
    assert all(len(value) < 300 for value in finding.facts.values())
    return finding.code


def test_a_well_formed_bundle_gives_its_parts():
    parsed = bundle.parse(a_bundle())
    assert parsed.raw == a_bundle()
    assert parsed.document == a_document()
    assert parsed.certificate == CERTIFICATE
    assert (parsed.payload_type, parsed.payload) == ("application/vnd.in-toto+json", PAYLOAD)
    assert parsed.signature == SIGNATURE
    assert parsed.tokens == TOKENS
    entry = parsed.log_entry
    assert (entry.kind, entry.version, entry.key_id) == ("dsse", "0.0.1", KEY_ID)
    assert (entry.index, entry.integrated_time, entry.has_promise) == (456119071, 1756728839, True)


def test_a_bundle_of_a_second_generation_log_has_neither_time_nor_promise():
    document = a_document()
    del document["verificationMaterial"]["tlogEntries"][0]["integratedTime"]
    del document["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    entry = bundle.parse(encoded(document)).log_entry
    assert (entry.integrated_time, entry.has_promise) == (None, False)


@pytest.mark.parametrize("path", sorted(OPTIONAL))
@pytest.mark.parametrize("value", [ABSENT, None], ids=["absent", "null"])
def test_an_optional_field_may_be_absent_or_null(path, value):
    parsed = bundle.parse(encoded(changed(path, value)))
    assert parsed.payload == PAYLOAD
    assert parsed.tokens == (() if "timestamp" in path else TOKENS)


def test_an_envelope_may_carry_an_empty_key_id():
    parsed = bundle.parse(encoded(changed("dsseEnvelope.signatures.0.keyid", "")))
    assert parsed.signature == SIGNATURE


def test_the_older_spelling_of_the_same_version_is_read():
    parsed = bundle.parse(encoded(changed("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.3")))
    assert parsed.payload == PAYLOAD


def test_a_published_bundle_is_read(real_data):
    raw = (real_data / "signed-package" / "signed-package-2.1.0-hb0f4dca_0.conda.sigstore.json").read_bytes()
    parsed = bundle.parse(raw)
    assert parsed.raw == raw
    assert parsed.log_entry.index == 456119071
    assert parsed.log_entry.has_promise
    assert parsed.tokens == ()
    assert parsed.payload.startswith(b'{"_type":"https://in-toto.io/Statement/v1"')


# One reading of the bytes.


@pytest.mark.parametrize("path", PATHS)
def test_a_duplicate_key_is_refused_at_any_depth(path):
    """The second of two equal keys is what one verifier reads, the first is what another checked."""
    value = value_at(path)
    if not isinstance(value, dict):
        value = {"certificate": 1}
    key = next(iter(value))
    twice = json.dumps(value)[:-1] + f", {json.dumps(key)}: {json.dumps(value[key])}}}"
    marked = encoded(changed(path, "HERE"))
    assert refused(marked.replace(b'"HERE"', twice.encode())) is Code.BUNDLE_JSON


def test_a_duplicate_key_at_the_top_is_refused():
    """A second dsseEnvelope replaces the signed one in readers that take the last."""
    envelope = json.dumps({"dsseEnvelope": a_document()["dsseEnvelope"]})[1:]
    assert refused(a_bundle()[:-1] + b", " + envelope.encode()) is Code.BUNDLE_JSON


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(a_bundle().replace(b'"456119071"', b"NaN"), id="NaN"),
        pytest.param(b"\xef\xbb\xbf" + a_bundle(), id="a byte-order mark"),
        pytest.param(a_bundle() + b"{}", id="a second value"),
        pytest.param(a_bundle() + b"\0", id="a NUL after it"),
        pytest.param(a_bundle().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b"", id="nothing"),
        pytest.param(a_bundle()[:-1], id="cut short"),
    ],
)
def test_bytes_that_readers_take_differently_are_refused(data):
    """A constant outside JSON, a mark before it or bytes after it make one file two documents."""
    assert refused(data) is Code.BUNDLE_JSON


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 200_000 + "]" * 200_000, id="200,000 levels of nesting"),
        pytest.param('{"a":' * 200_000, id="200,000 open objects"),
        pytest.param("1" * 5000, id="an integer of 5,000 digits"),
        pytest.param('"\\ud800"', id="a lone surrogate"),
    ],
)
def test_json_that_crashes_readers_is_refused(text):
    """Deep nesting, long integers and lone surrogates end a careless verifier with a traceback."""
    assert refused(a_bundle().replace(b'"456119071"', text.encode())) is Code.BUNDLE_JSON


def test_a_bundle_over_the_cap_is_refused_unread():
    """Megabytes of white space or certificates keep a verifier busy."""
    padded = a_bundle() + b" " * (MAX_BUNDLE - len(a_bundle()))
    assert bundle.parse(padded).payload == PAYLOAD
    assert refused(padded + b" ") is Code.BUNDLE_SIZE


# The shape.


@pytest.mark.parametrize("path", ["", *OBJECTS])
def test_an_unknown_field_is_refused_at_any_depth(path):
    """A field that this program passes over may be what another client decides by."""
    assert refused(changed(f"{path}.extra" if path else "extra", "x")) is Code.BUNDLE_SHAPE


@pytest.mark.parametrize("path", [path for path in PATHS if not path.rpartition(".")[2].isdecimal()])
def test_a_snake_case_key_is_refused(path):
    """ProtoJSON readers accept snake_case beside camelCase, so a bundle may hold both."""
    parent, _, key = path.rpartition(".")
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    if snake == key:
        snake = f"{key}_"
    both = changed(f"{parent}.{snake}" if parent else snake, value_at(path))
    assert refused(both) is Code.BUNDLE_SHAPE


@pytest.mark.parametrize("path", [path for path in PATHS if not path.rpartition(".")[2].isdecimal()])
def test_every_field_but_the_optional_ones_is_required(path):
    expected = {
        "mediaType": Code.BUNDLE_MEDIA_TYPE,
        "dsseEnvelope": Code.BUNDLE_CONTENT,
    }.get(path, Code.BUNDLE_SHAPE)
    if path not in OPTIONAL:
        assert refused(changed(path, ABSENT)) is expected


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", [7, True, ["x"], {"x": "y"}, "\u2603"], ids=repr)
def test_a_value_of_another_type_is_refused(path, value):
    """A list where a text was expected ends a careless verifier with a traceback."""
    texts = (f"{ENTRY}.kindVersion.kind", f"{ENTRY}.kindVersion.version", f"{ENTRY}.inclusionProof.checkpoint.envelope")
    if value == "\u2603" and path in (*texts, "dsseEnvelope.payloadType"):
        return  # Any text goes here, until it is authenticated.
    expected = {
        "mediaType": Code.BUNDLE_MEDIA_TYPE,
        "verificationMaterial.tlogEntries": Code.BUNDLE_LOG if value != ["x"] else Code.BUNDLE_SHAPE,
        "dsseEnvelope.signatures": Code.BUNDLE_CONTENT if value != ["x"] else Code.BUNDLE_SHAPE,
    }.get(path, Code.BUNDLE_SHAPE)
    assert refused(changed(path, value)) is expected


@pytest.mark.parametrize("value", [[], "x", 1, None, True, [a_document()]], ids=repr)
def test_what_is_no_object_is_no_bundle(value):
    assert refused(encoded(value)) is Code.BUNDLE_SHAPE


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json ",
        "APPLICATION/vnd.dev.sigstore.bundle.v0.3+json",
        "application/json",
        "",
        None,
        ["application/vnd.dev.sigstore.bundle.v0.3+json"],
    ],
    ids=repr,
)
def test_a_bundle_of_another_version_is_refused(media_type):
    """An older version lets a bundle go without an inclusion proof; a newer one may mean other things."""
    assert refused(changed("mediaType", media_type)) is Code.BUNDLE_MEDIA_TYPE


@pytest.mark.parametrize("path", BINARIES)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text + "!", id="junk after it"),
        pytest.param(lambda text: "*" + text, id="junk before it"),
        pytest.param(lambda text: text[:4] + "\n" + text[4:], id="a line feed"),
        pytest.param(lambda text: text[:4] + " " + text[4:], id="a space"),
        pytest.param(lambda text: b64(b"ab").replace("=", ""), id="padding left out"),
        pytest.param(lambda text: b64(b"ab") + "=", id="padding twice"),
        pytest.param(lambda text: "YWK=", id="bits in the padding"),
        pytest.param(lambda text: "YR==", id="more bits in the padding"),
        pytest.param(lambda text: "-_-_", id="the alphabet of URLs"),
        pytest.param(lambda text: "YQ==YQ==", id="two values joined"),
        pytest.param(lambda text: "\uff39Q==", id="a full-width letter"),
        pytest.param(lambda text: "Y\u00e9==", id="an accent"),
    ],
)
def test_base64_with_a_second_spelling_is_refused(path, spoil):
    """Lenient decoders skip junk, so one signature has many texts, and a bundle many digests."""
    assert refused(changed(path, spoil(value_at(path)))) is Code.BUNDLE_SHAPE


@given(st.text("AQYgwx09+/=", max_size=12))
def test_base64_is_taken_if_it_is_what_its_bytes_encode_to(text):
    try:
        same = b64(base64.b64decode(text)) == text
    except ValueError:
        same = False
    document = changed("dsseEnvelope.payload", text)
    if same:
        assert bundle.parse(encoded(document)).payload == base64.b64decode(text)
    else:
        assert refused(document) is Code.BUNDLE_SHAPE


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "01", "1.0", "1e3", " 1", "1\n", "1_000", "0x10", "\u0661", "\u00b2", str(2**63), "9" * 5000],
)
def test_an_integer_with_a_second_spelling_is_refused(path, text):
    """Signs, leading zeros, other digits and overflow are numbers to one reader and not to another."""
    assert refused(changed(path, text)) is Code.BUNDLE_SHAPE


@pytest.mark.parametrize(("index", "size"), [("5", "5"), ("6", "5"), ("0", "0")])
def test_a_leaf_outside_of_its_tree_is_refused(index, size):
    """An inclusion proof of a leaf that the tree does not have proves nothing."""
    document = changed(f"{ENTRY}.inclusionProof.logIndex", index)
    document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["treeSize"] = size
    assert refused(document) is Code.BUNDLE_LOG


# The content.


MESSAGE = {"messageDigest": {"algorithm": "SHA2_256", "digest": b64(bytes(32))}, "signature": b64(SIGNATURE)}


def test_a_message_signature_alone_is_refused():
    """A signature over the package's bytes names no file and no channel."""
    document = changed("messageSignature", MESSAGE)
    del document["dsseEnvelope"]
    assert refused(document) is Code.BUNDLE_CONTENT


@pytest.mark.parametrize("value", [MESSAGE, None, {}], ids=["whole", "null", "empty"])
def test_two_contents_are_refused(value):
    """One verifier checks the message signature while another reads the envelope."""
    assert refused(changed("messageSignature", value)) is Code.BUNDLE_CONTENT


@pytest.mark.parametrize("count", [0, 2, 3])
def test_an_envelope_without_exactly_one_signature_is_refused(count):
    """With no signature nothing is verified; with two, one may be verified and the other believed."""
    assert refused(changed("dsseEnvelope.signatures", [{"sig": b64(SIGNATURE)}] * count)) is Code.BUNDLE_CONTENT


def test_a_signature_of_no_bytes_is_refused():
    """An empty signature is skipped by verifiers that test for a value."""
    assert refused(changed("dsseEnvelope.signatures.0.sig", "")) is Code.BUNDLE_CONTENT


# The material.


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_bundle_without_exactly_one_log_entry_is_refused(count):
    """With no entry nothing was logged; with two, one may be verified and the other's time believed."""
    entries = [value_at(ENTRY)] * count
    assert refused(changed("verificationMaterial.tlogEntries", entries)) is Code.BUNDLE_LOG


@pytest.mark.parametrize("keeps_certificate", [True, False])
def test_a_bundle_of_a_bare_public_key_is_refused(keeps_certificate):
    """A key's hint is chosen by the signer, so such a bundle names nobody."""
    document = changed("verificationMaterial.publicKey", {"hint": "trusted"})
    if not keeps_certificate:
        del document["verificationMaterial"]["certificate"]
    assert refused(document) is Code.IDENTITY_PUBLIC_KEY


def test_a_chain_of_certificates_in_place_of_one_is_refused():
    """A chain may bring its own intermediate and root along."""
    document = changed("verificationMaterial.certificate", ABSENT)
    document["verificationMaterial"]["x509CertificateChain"] = {"certificates": [{"rawBytes": b64(CERTIFICATE)}]}
    assert refused(document) is Code.BUNDLE_SHAPE


def stamps(count: int) -> list[dict]:
    return [{"signedTimestamp": b64(index.to_bytes(2))} for index in range(count)]


def test_as_many_tokens_as_allowed_are_read():
    parsed = bundle.parse(encoded(changed(STAMPS, stamps(MAX_TOKENS))))
    assert len(parsed.tokens) == MAX_TOKENS


def test_33_tokens_are_refused():
    """Each token costs a verification, and a threshold of tokens is met by quantity."""
    assert refused(changed(STAMPS, stamps(33))) is Code.TIME_TOKENS


def test_the_same_token_twice_is_refused():
    """One authority's token counts twice towards a threshold of times."""
    assert refused(changed(STAMPS, [*stamps(2), *stamps(1)])) is Code.TIME_TOKENS


# What is kept of a bundle.


def test_keeping_all_tokens_keeps_the_bytes():
    parsed = bundle.parse(a_bundle() + b"\n")
    assert parsed.with_tokens(TOKENS) == a_bundle() + b"\n"


@pytest.mark.parametrize("kept", [TOKENS[:1], TOKENS[1:], ()], ids=["the first", "the second", "none"])
def test_leaving_tokens_out_changes_nothing_else(kept):
    parsed = bundle.parse(a_bundle())
    again = bundle.parse(parsed.with_tokens(kept))
    assert again.tokens == kept
    assert again.payload == parsed.payload
    assert again.log_entry == parsed.log_entry
    assert again.certificate == parsed.certificate
    assert parsed.document == a_document()


# Whatever else comes.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_only_ever_raise_malformed(data):
    with pytest.raises(Malformed):
        bundle.parse(data)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(a_bundle()) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_only_ever_raise_malformed(changes):
    data = bytearray(a_bundle())
    for position, value in changes:
        data[position] = value
    try:
        parsed = bundle.parse(bytes(data))
    except Malformed:
        return
    assert parsed.raw == bytes(data)


@settings(max_examples=200)
@given(st.sampled_from(PATHS), json_values | st.sampled_from(PATHS).map(value_at) | st.just(ABSENT))
def test_changed_values_only_ever_raise_malformed(path, value):
    if value is ABSENT and path.rpartition(".")[2].isdecimal():
        value = None
    try:
        parsed = bundle.parse(encoded(changed(path, value)))
    except Malformed as error:
        code = error.finding.code
    else:
        code = None
        assert len(parsed.signature) > 0
        assert len(set(parsed.tokens)) == len(parsed.tokens) <= MAX_TOKENS
    assert code is None or code.partition("-")[0] in ("BUNDLE", "TIME", "IDENTITY")
