"""Say which URLs are fetched, where a redirect may lead, and how a URL is shown.

Owns `start`, `follow` and `secrets_of`. Refuses every scheme but http and https, a step from https to http, a step from
elsewhere into this machine, and a step to another origin that would take the caller's credentials along. A client that
has a `file:` handler mounted and follows redirects by itself reads local files for the server (as requests with a file
adapter does), so redirects are followed by hand, through here.

Spec: https://www.rfc-editor.org/rfc/rfc9110#section-15.4
"""

import ipaddress
import re
from typing import Final
from urllib.parse import unquote

import httpx

from condattest.model.channel import redact

MAX_REDIRECTS: Final = 5
"""Redirects that are followed for one request."""
_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"/t/([^/?#]+)")
_BETWEEN = re.compile(r"[/?&=#:@;]")
_QUERY = re.compile(r"\?\S*")
# `model.redact` ends at the first `@`; a password may hold one.
_USER = re.compile(r"(?<=://)[^/\s]*@")


class Refused(Exception):
    """A URL that is not fetched; the message says why, without credentials."""


def start(url: str) -> httpx.URL:
    """Take a URL from a caller.

    Raises:
        Refused: It is not an http or https URL with a host.
    """
    try:
        made = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise Refused("expected an http or https URL") from None
    return _fetchable(made)


def follow(at: httpx.URL, location: str, secrets: frozenset[str]) -> httpx.URL:
    """Return the URL that a redirect leads to.

    Args:
        at: The URL that answered.
        location: The `Location` header.
        secrets: The credentials in the URLs so far, from `secrets_of`.

    Raises:
        Refused: The redirect leads where it must not; the message says why.
    """
    try:
        to = _fetchable(at.join(location).copy_with(fragment=None))
    except (httpx.InvalidURL, ValueError):
        raise Refused("redirects to something that is no URL") from None
    except Refused as refused:
        raise Refused(f"redirects to a URL that is not followed: {refused}") from None
    if at.scheme == "https" and to.scheme == "http":
        raise Refused(f"redirects from https to {origin(to)}")
    if is_local(to.host) and not is_local(at.host):
        raise Refused(f"redirects into this machine, to {origin(to)}")
    if origin(at) != origin(to) and (to.userinfo or _names(to, secrets)):
        raise Refused(f"redirects to {origin(to)} and would pass credentials on to it")
    return to


def secrets_of(url: httpx.URL) -> frozenset[str]:
    """The credentials that a URL holds: its password (a user name alone is one) and anaconda.org's `/t/TOKEN/`."""
    found = {url.password or url.username, *_TOKEN.findall(unquote(url.path))}
    return frozenset(found - {""})


def origin(url: httpx.URL) -> str:
    """The URL's scheme, host and port, as `https://host` or `https://host:8443`; it holds no credentials."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = url.port or _PORTS[url.scheme]
    return f"{url.scheme}://{host}" + ("" if port == _PORTS[url.scheme] else f":{port}")


def is_local(host: str) -> bool:
    """Whether a host is this machine, or the metadata service of its cloud (a link-local address)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_link_local or address.is_unspecified


def shown(url: str) -> str:
    """Return a URL as it may be shown: no credentials, no query (which can be a signature), no control characters."""
    return plain(_QUERY.sub("", url))


def plain(text: str) -> str:
    """Return text of a server or a library on one line, credentials left out and control characters escaped."""
    clean = redact(_USER.sub("", text))
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in clean)
    return escaped if len(escaped) <= 300 else escaped[:300] + "..."


def _names(url: httpx.URL, secrets: frozenset[str]) -> bool:
    # A short password is part of many an innocent URL, so it counts only where it stands by itself.
    text = unquote(str(url))
    parts = set(_BETWEEN.split(text))
    return any(secret in parts or (len(secret) >= 8 and secret in text) for secret in secrets)


def _fetchable(url: httpx.URL) -> httpx.URL:
    if url.scheme not in _PORTS:
        raise Refused(f"expected http or https, found {plain(url.scheme)!r:.40}")
    if not url.host:
        raise Refused("expected a URL with a host")
    if url.port is not None and not 0 < url.port < 65536:
        raise Refused("expected a port from 1 to 65535")
    return url
