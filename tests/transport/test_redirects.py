"""Where a redirect may lead, without a network."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.transport.redirects import Refused, follow, is_local, origin, plain, secrets_of, shown, start


def _follow(at, location):
    url = start(at)
    return str(follow(url, location, secrets_of(url)))


@pytest.mark.parametrize(
    ("at", "location", "expected"),
    [
        ("https://a.org/x/y", "z", "https://a.org/x/z"),
        ("https://a.org/x/y", "//b.org/z#part", "https://b.org/z"),
        ("http://a.org/x", "https://a.org/x", "https://a.org/x"),
        ("http://a.org/x", "http://b.org/x", "http://b.org/x"),
        ("https://u:p@a.org/x", "/y", "https://u:p@a.org/y"),
        ("https://u:p@a.org/x", "https://b.org/y", "https://b.org/y"),
        ("https://a.org/t/tok/x", "https://a.org:443/t/tok/y", "https://a.org/t/tok/y"),
        ("http://127.0.0.1:8/x", "http://localhost:9/y", "http://localhost:9/y"),
    ],
)
def test_a_redirect_leads_where_it_says(at, location, expected):
    assert _follow(at, location) == expected


@pytest.mark.parametrize(
    ("at", "location"),
    [
        ("https://a.org/x", "http://a.org/x"),
        ("https://a.org/x", "http://localhost/x"),
        ("https://a.org/x", "https://localhost/x"),
        ("http://a.org/x", "http://127.0.0.1:6379/"),
        ("http://a.org/x", "http://[::1]/"),
        ("http://a.org/x", "http://[::ffff:127.0.0.1]/"),
        ("http://a.org/x", "http://0.0.0.0/"),
        ("http://a.org/x", "http://169.254.169.254/latest/meta-data/"),
        ("http://a.org/x", "http://LOCALHOST./"),
        ("https://a.org/x", "file:///etc/passwd"),
        ("https://a.org/x", "FiLe:///etc/passwd"),
        ("https://a.org/x", "javascript:x"),
        ("https://a.org/x", "https://b.org:99999/"),
        ("https://u:p4ss@a.org/x", "https://u:p4ss@b.org/x"),
        ("https://u:p4ss@a.org/x", "https://b.org/x?key=p4ss"),
        ("https://a.org/x", "https://new:one@b.org/x"),
        ("https://a.org/t/tok/x", "https://a.org:8443/t/tok/x"),
        ("http://a.org/t/tok/x", "https://a.org/t/tok/x"),
        ("https://a.org/t/tok/x", "https://b.org/?%74ok"),
    ],
)
def test_a_redirect_to_where_it_must_not_lead_is_refused(at, location):
    """Downgrades, steps into this machine and its cloud's metadata service, local files, credentials taken along."""
    with pytest.raises(Refused) as caught:
        _follow(at, location)
    assert not [secret for secret in ("p4ss", "tok", "%74ok", "one") if secret in str(caught.value)]


def _outcome(make):
    """Where it leads, or why not."""
    try:
        return make()
    except Refused as refused:
        return str(refused)


@given(st.text(max_size=60))
def test_no_location_leads_anywhere_but_to_http(location):
    """A `Location` of any bytes: it is followed to http or https, never down, or refused."""
    at = start("https://a.org/t/tok/x")
    match _outcome(lambda: follow(at, location, secrets_of(at))):
        case str(reason):
            assert reason.isprintable()
        case to:
            assert to.scheme == "https"
            assert to.host


_SECRET = st.text("ABCDEF0123456789", min_size=4, max_size=20)
_HOST = st.sampled_from(["a.org", "b.org", "a.org:8443", "u:x@b.org", "localhost"])


@given(_SECRET, _HOST, st.sampled_from(["https://{h}/t/{s}/x", "//{h}/x?{s}", "https://{s}@{h}/", "/t/{s}/y"]))
def test_a_secret_never_reaches_another_origin(secret, host, form):
    """A redirect that takes the caller's token along, in any place of the URL."""
    at = start(f"https://a.org/t/{secret}/x")
    match _outcome(lambda: follow(at, form.format(h=host, s=secret), secrets_of(at))):
        case str(reason):
            assert secret not in reason
        case to:
            assert origin(to) == "https://a.org"


@given(st.text(max_size=100))
def test_starting_anywhere_gives_http_or_a_refusal(url):
    match _outcome(lambda: start(url)):
        case str(reason):
            assert reason.isprintable()
        case made:
            assert made.scheme in ("http", "https")
            assert made.host


@given(st.text(max_size=400))
def test_shown_text_is_one_printable_line(text):
    assert plain(text).isprintable()
    assert shown("https://u:p@h/" + text).isprintable()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:p@ss@host/t/tok/a?X-Signature=s", "https://host/a"),
        ("https://host/a\x1b[2J", "https://host/a\\x1b[2J"),
        ("https://host/\u202egnp", "https://host/\\u202egnp"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, expected):
    assert shown(url) == expected


def test_secrets_are_found_in_every_place():
    assert secrets_of(httpx.URL("https://us%40er:pw@host/t/tok/a")) == {"pw", "tok"}
    assert secrets_of(httpx.URL("https://api-key@host/a")) == {"api-key"}
    assert secrets_of(httpx.URL("https://host/a")) == set()


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.9.9.9", "::1", "fe80::1%eth0", "0.0.0.0"])
def test_a_local_host_is_known(host):
    assert is_local(host)


@pytest.mark.parametrize("host", ["localhost.org", "1.2.3.4", "2001:db8::1", "notlocalhost"])
def test_another_host_is_not_local(host):
    assert not is_local(host)
