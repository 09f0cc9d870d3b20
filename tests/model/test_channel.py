import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from condattest.model.channel import Channel, canonical, redact

# Pieces that meet each other in odd ways: tokens, dots, brackets, ports, user info.
PIECES = [
    *(
        "http",
        "https",
        "file",
        "HTTPS",
        "ftp",
        ":",
        "/",
        "//",
        "///",
        "://",
        "@",
        "t",
        "/t/",
        "/t/tok",
        "label",
        "/label/",
    ),
    *(
        "host",
        "Host.Example",
        "[::1]",
        "[v1.a]",
        ":443",
        ":80",
        ":0443",
        ":8080",
        ":0",
        "%2e",
        "%2F",
        "%41",
        ".",
        "..",
        "a",
    ),
    *("?", "#", "x=1", " ", "\t", "\n", "\0", "\\", ";", "user:secret", "\u0456"),
]
url_like = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
well_formed = st.builds(
    lambda scheme, user, host, port, parts, end: f"{scheme}://{user}{host}{port}/{'/'.join(parts)}{end}",
    st.sampled_from(["http", "https", "HTTPS"]),
    st.sampled_from(["", "user:secret@", "secret@"]),
    st.sampled_from(["conda.anaconda.org", "Prefix.DEV", "[::1]", "127.0.0.1"]),
    st.sampled_from(["", ":80", ":443", ":8443", ":"]),
    st.lists(st.sampled_from(["conda-forge", "t", "secret", "label", "main", "a~b", "x@y"]), min_size=1, max_size=4),
    st.sampled_from(["", "/", "//"]),
)


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ("https://conda.anaconda.org/conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", "https://conda.anaconda.org/conda-forge"),
        ("HTTPS://Conda.Anaconda.ORG/Conda-Forge//", "https://conda.anaconda.org/Conda-Forge"),
        ("https://conda.anaconda.org:443/x", "https://conda.anaconda.org/x"),
        ("https://conda.anaconda.org:80/x", "https://conda.anaconda.org:80/x"),
        ("http://localhost:8000/x", "http://localhost:8000/x"),
        ("http://localhost:080/x", "http://localhost/x"),
        ("https://user:secret@prefix.dev/x", "https://prefix.dev/x"),
        ("https://user@mail.example:secret@prefix.dev/x", "https://prefix.dev/x"),
        ("https://conda.anaconda.org/t/tk-secret-1/x", "https://conda.anaconda.org/x"),
        ("https://conda.anaconda.org/t/tk-secret-1/x/label/dev", "https://conda.anaconda.org/x/label/dev"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://repo.example", "https://repo.example"),
        ("https://repo.example/", "https://repo.example"),
        ("file:///srv/channel/", "file:///srv/channel"),
        ("file:/srv/channel", "file:///srv/channel"),
    ],
)
def test_a_channel_has_one_canonical_url(given_, made):
    assert canonical(given_).url == made
    assert str(canonical(given_)) == made


@settings(max_examples=300)
@given(url_like | well_formed | st.text(max_size=30).map(lambda text: f"https://host/{text}"))
@example("file:relative/channel")
@example("file:../channel")
@example("https://[v1.a]/x")
@example("https://host/t/t/x/y")
@example("https://host/t/x/t/")
def test_canonical_is_idempotent(text):
    try:
        made = canonical(text)
    except ValueError:
        return
    assert canonical(made.url) == made
    assert Channel.parse(made.url) == made


@given(well_formed)
def test_canonical_never_keeps_credentials(text):
    try:
        shown = canonical(text).url
    except ValueError as error:
        shown = str(error)
    assert "user:secret" not in shown
    assert "secret@" not in shown
    assert "/t/secret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://prefix.dev/x\t", id="a tab"),
        pytest.param("https://prefix.dev/\nx", id="a line feed"),
        pytest.param("https://prefix.dev/x\0", id="a NUL"),
        pytest.param(" https://prefix.dev/x", id="a space"),
        pytest.param("https://prefix.dev/x\u200b", id="a zero-width space"),
        pytest.param("https://pref\u0456x.dev/x", id="a homoglyph"),
        pytest.param("https://prefix.dev\\@evil.example/x", id="a backslash"),
        pytest.param("https://prefix.dev/x/../y", id="a parent folder"),
        pytest.param("https://prefix.dev/./x", id="a dot segment"),
        pytest.param("https://prefix.dev/x//y", id="an empty segment"),
        pytest.param("https://prefix.dev/x/%2E%2e/y", id="an encoded parent folder"),
        pytest.param("https://prefix.dev/x%2Fy", id="an encoded separator"),
        pytest.param("https://prefix.dev/x?token=1", id="a query"),
        pytest.param("https://prefix.dev/x?", id="an empty query"),
        pytest.param("https://prefix.dev/x#y", id="a fragment"),
    ],
)
def test_a_url_that_clients_read_differently_is_no_channel(text):
    """One reader drops the tab or walks the dots, another does not: the exact comparison then means nothing."""
    with pytest.raises(ValueError, match="expected a channel URL"):
        canonical(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "conda-forge",
            "ftp://prefix.dev/x",
            "//prefix.dev/x",
            "https:///x",
            "https:prefix.dev/x",
            "git+https://h/x",
        ),
        *(
            "https://prefix.dev:port/x",
            "https://prefix.dev:99999/x",
            "https://[::1/x",
            "file://server/share",
            "javascript:1",
        ),
        pytest.param("file:channel", id="a file URL that is relative to somewhere"),
        pytest.param("file:../../etc", id="a file URL that climbs from somewhere"),
        pytest.param("https://[v1.prefix.dev]/x", id="an address of a future version of IP"),
    ],
)
def test_what_names_no_host_and_path_is_no_channel(text):
    with pytest.raises(ValueError, match="expected a channel URL"):
        canonical(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://prefix.dev/x/",
        "https://Prefix.dev/x",
        "https://prefix.dev:443/x",
        "https://user:secret@prefix.dev/x",
        "https://prefix.dev/t/secret/x",
    ],
)
def test_a_stated_channel_must_be_canonical_already(text):
    """A second spelling of a channel passes for another channel, or smuggles credentials into a signed statement."""
    with pytest.raises(ValueError, match=r"the canonical channel URL https://prefix\.dev/x, found") as caught:
        Channel.parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@prefix.dev/x?y",
        "https://user:secret@prefix.dev/../x",
        "ftp://user:secret@prefix.dev/x",
        "https://user:secret@prefix.dev:port/x",
        "https://prefix.dev/t/secret/x y",
        "https://user:secret@/x",
    ],
)
def test_refusing_a_url_never_shows_its_credentials(text):
    with pytest.raises(ValueError, match="expected a channel URL") as caught:
        canonical(text)
    assert "secret" not in str(caught.value)


def test_a_refused_url_is_quoted_short():
    with pytest.raises(ValueError, match="expected a channel URL") as caught:
        canonical("\x1b" * 100_000)
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/x", "https://host/x"),
        ("https://secret@host/x", "https://host/x"),
        ("https://user:se@cret@host/x", "https://host/x"),
        ("https://host/t/secret/x", "https://host/x"),
        ("https://host/t/secret", "https://host"),
        ("https://host/x?X-Amz-Signature=secret", "https://host/x?..."),
        ("from https://a:secret@host/x to https://b:secret@host/y", "from https://host/x to https://host/y"),
        ("https://host/x@y", "https://host/x@y"),
        ("https:/user:secret@host/x: no such file", "https:/host/x: no such file"),
        ("https:/host/t/secret/x?token=secret", "https:/host/x?..."),
        ("C:/me@home/x?y", "C:/me@home/x?y"),
        ("no URL at all: me@host", "no URL at all: me@host"),
    ],
)
def test_redacting_leaves_out_credentials_and_keeps_the_rest(text, shown):
    assert redact(text) == shown


@given(st.text(alphabet="abz09:._~-@", min_size=1, max_size=12), st.sampled_from(["host", "host:8080", "[::1]"]))
def test_redacting_leaves_out_any_user_info(user, host):
    assume("@" + host not in user)
    assert redact(f"https://{user}@{host}/x") == f"https://{host}/x"


@given(url_like)
def test_redacting_twice_changes_nothing_more(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("url", "is_label"),
    [
        ("https://conda.anaconda.org/x/label/dev", True),
        ("https://conda.anaconda.org/x", False),
        ("https://conda.anaconda.org/label", False),
        ("https://conda.anaconda.org/x/label/dev/more", False),
    ],
)
def test_a_label_is_told_from_a_whole_channel(url, is_label):
    assert Channel(url).is_label is is_label


def test_channels_are_values():
    one, other = Channel.parse("https://a.example/x"), Channel.parse("https://b.example/x")
    assert len({one, other, Channel.parse("https://a.example/x")}) == 2
    assert sorted([other, one]) == [one, other]
