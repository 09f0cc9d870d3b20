import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from condattest.reports.plain import exact, plain

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJlLXNlY3JldA"


@pytest.mark.parametrize(
    "text",
    [
        "zlib-1.2.11-0.conda",
        "https://prefix.dev/my-channel",
        "sha256:0123 (expected), [found] {x} \\ 'quoted' \"twice\"",
        "na\u00efve caf\u00e9 \u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f4e6",
        "",
    ],
)
def test_what_is_visible_and_no_secret_stays_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[2J\x1b[32maccepted", "\\x1b[2J\\x1b[32maccepted", id="ANSI colours"),
        pytest.param("\x1b]8;;https://evil.example\x07x", "\\x1b]8;;https://evil.example\\x07x", id="an ANSI link"),
        pytest.param("\x9b31m", "\\x9b31m", id="an 8-bit ANSI sequence"),
        pytest.param("rejected\raccepted", "rejected\\raccepted", id="a carriage return"),
        pytest.param("x\b\b\b", "x\\x08\\x08\\x08", id="backspaces"),
        pytest.param("a\nb", "a\\nb", id="a line feed"),
        pytest.param("a\tb", "a\\tb", id="a tab"),
        pytest.param("a\0b", "a\\x00b", id="a NUL"),
        pytest.param("a\x7fb", "a\\x7fb", id="DEL"),
        pytest.param("a\x85b", "a\\x85b", id="next line"),
        pytest.param("a\u2028b\u2029c", "a\\u2028b\\u2029c", id="line separators"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    """A package's name clears the screen and paints a verdict over the real one."""
    assert plain(text) == shown


@pytest.mark.parametrize("character", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"])
def test_bidirectional_controls_are_escaped(character):
    """A name that is turned around on the screen looks like another package's."""
    assert plain(f"evil{character}x") == f"evil\\u{ord(character):04x}x"


@pytest.mark.parametrize(
    "character",
    ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ue000", "\U000e0041", "\ud800", "\ufffe"],
)
def test_characters_that_nobody_sees_are_escaped(character):
    """Two names that look the same are two packages."""
    assert plain(f"a{character}b") == "a" + character.encode("unicode_escape").decode() + "b"


def test_lines_are_kept_where_lines_are_asked_for():
    assert plain("a\nb\r\n\tc\x1b", lines=True) == "a\nb\\r\n\\tc\\x1b"


@given(st.text(alphabet=st.characters(), max_size=40), st.booleans())
def test_no_invisible_character_is_ever_shown(text, lines):
    shown = plain(text, lines=lines)
    hidden = {character for character in shown if unicodedata.category(character)[0] == "C"}
    assert hidden <= ({"\n"} if lines else set())
    assert not {"\u2028", "\u2029"} & set(shown)
    shown.encode("utf-8")


@given(st.text(max_size=40))
def test_what_is_plain_stays_as_it_is(text):
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        f"Authorization: Bearer {JWT}",
        f"token={JWT}&x=1",
        f'{{"token":"{JWT}"}}',
        f"first line\n{JWT}\nlast line",
        f"{JWT.rpartition('.')[0]}.",
        f"\x1b[31m{JWT}\x1b[0m",
        f"caf\u00e9 {JWT}",
    ],
)
def test_a_web_token_is_never_shown(text):
    """An identity token in a public log signs whatever its finder likes, until it expires."""
    for shown in (plain(text), plain(text, lines=True)):
        assert "<token>" in shown
        assert "eyJ" not in shown


@given(
    st.binary(min_size=1, max_size=30),
    st.binary(max_size=30),
    st.sampled_from(["", "x ", "=", '"', "\n", "\u00e9 ", "bearer:"]),
)
def test_any_web_token_is_left_out(claims, signature, before):
    from base64 import urlsafe_b64encode

    parts = [
        json.dumps({"alg": "RS256", "kid": claims.hex()}).encode(),
        json.dumps({"sub": claims.hex()}).encode(),
        signature,
    ]
    token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    assert token not in plain(f"{before}{token}")
    assert "eyJ" not in plain(f"{before}{token} after")


@pytest.mark.parametrize("text", ["eyJ", "eyJ.eyJ", "keyJar.x.y", "eyJustAName"])
def test_what_only_begins_like_a_token_stays(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach https://user:secret@prefix.dev/x",
        "cannot reach https://secret@prefix.dev/x",
        "cannot reach https://me@mail.example:secret@prefix.dev/x",
        "cannot reach https://prefix.dev/t/secret/x",
        "cannot reach https://prefix.dev/t/secret",
        "cannot reach https://prefix.dev/x?token=secret",
        "two: https://a:secret@prefix.dev/x and https://b:secret@prefix.dev/y",
    ],
)
def test_credentials_in_urls_are_never_shown(text):
    """A private channel's password ends up in a public CI log."""
    assert "secret" not in plain(text)
    assert "prefix.dev" in plain(text)


def test_what_follows_a_redacted_url_is_kept():
    text = "https://prefix.dev/t/secret answers HTTP 404; see docs/channels"
    assert plain(text) == "https://prefix.dev answers HTTP 404; see docs/channels"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "None"), (7, "7"), (ValueError("\x1b"), "\\x1b"), (b"\x1b", "b'\\x1b'")]
)
def test_anything_can_be_shown(value, shown):
    assert plain(value) == shown


paths = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(paths.map(lambda text: text.replace("://", ":/")))
@example("/home/t/me/dist/numbers-1.0-0.conda")
@example("me@host/x?y/a\x1b[2J\u202e.conda")
def test_a_local_path_in_a_document_is_the_path(path):
    """A program opens the file that a document names; nothing is left out of it, and nothing reaches a terminal."""
    document = json.dumps({"package": exact(path)})
    assert json.loads(document)["package"] == path
    assert document.isascii()
    assert document.isprintable()


def test_a_url_in_a_document_shows_no_secret():
    assert exact("https://user:secret@host/t/secret/x?y=secret") == "https://host/x?..."


@given(st.binary(min_size=1).filter(lambda name: b"://" not in name))
@example(b"caf\xe9.conda")
def test_a_name_that_is_no_text_still_makes_a_document_that_every_program_reads(name):
    """A lone surrogate in JSON is an error to many parsers: one file name would cost the whole report."""
    shown = exact(name.decode("utf-8", "surrogateescape"))
    json.loads(json.dumps(shown)).encode("utf-8")
