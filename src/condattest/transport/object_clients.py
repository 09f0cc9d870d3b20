"""Connect to an object store: its URL, what the environment says, and how long an answer is waited for.

Owns `Clients`, and `reason` for what obstore raises. Refuses URLs with credentials, queries or escapes, and plain http
unless the endpoint is this machine or AWS_ALLOW_HTTP (AZURE_ALLOW_HTTP) is true.

Credentials and endpoints come from the environment, as for the vendors' own tools: AWS_ACCESS_KEY_ID, AWS_REGION,
AWS_ENDPOINT_URL; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME; and the others that obstore documents. Of
these, AWS_COPY_IF_NOT_EXISTS is for stores that know another conditional copy than S3's, such as Cloudflare R2.

Spec: https://developmentseed.org/obstore/latest/api/store/aws/
"""

import ipaddress
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from condattest.errors import Misuse
from condattest.model.channel import redact
from condattest.transport.store import checked

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_MEBIBYTE: Final = 1024 * 1024
_LONGEST: Final = timedelta(hours=6)
_CODE: Final = re.compile(r"<Code>(\w{1,80})</Code>")
_REFUSED: Final = re.compile(r"[@%?#\x00-\x1f]")
_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": (),
}
_ALLOW_HTTP: Final = {"s3": "AWS_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP"}


class Clients:
    """Clients of one bucket that differ in how long they wait.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
        patience: Seconds that a small request waits for an answer.

    Raises:
        Misuse: It is no such URL, or asks for plain http.
    """

    def __init__(self, url: str, patience: float) -> None:
        self.scheme, self.url = _parsed(url)
        self._patience = patience
        self._plain = _may_be_plain(self.scheme)
        self._made: dict[int, ObjectStore] = {}

    def sized(self, size: int = 0) -> "ObjectStore":
        """A client for requests that send so many bytes: it expects 100 kB and more in a second.

        The time until an answer begins has the sending of the body in it, so one limit cannot serve all sizes: a dead
        server would be waited for as long as the largest upload may take.

        Raises:
            Misuse: The environment does not say enough to connect.
        """
        mebibytes = 1 << (size // _MEBIBYTE).bit_length()
        if mebibytes not in self._made:
            self._made[mebibytes] = self._connect(timedelta(seconds=self._patience * mebibytes))
        return self._made[mebibytes]

    def _connect(self, wait: timedelta) -> "ObjectStore":
        config: Any = {}
        if self.scheme == "s3":
            config = {"copy_if_not_exists": os.environ.get("AWS_COPY_IF_NOT_EXISTS", "multipart")}
        try:
            return from_url(
                self.url,
                config=config,
                # Given any options, obstore reads none of them from the environment; `allow_http` is one.
                client_options={
                    "connect_timeout": timedelta(seconds=min(5.0, self._patience)),
                    "read_timeout": wait,
                    "timeout": max(wait, _LONGEST),
                    "allow_http": self._plain,
                },
                retry_config={
                    "max_retries": 2,
                    "retry_timeout": timedelta(seconds=2 * self._patience),
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=100),
                        "max_backoff": timedelta(seconds=2),
                        "base": 2,
                    },
                },
            )
        except (BaseError, OSError, ValueError) as error:
            raise Misuse(f"{self.url}: cannot be opened: {redact(reason(error))}") from None


def reason(error: Exception) -> str:
    """What obstore says, without its debugging and the server's page, which repeats headers and keys."""
    text = str(error).partition("\n\nDebug source:")[0]
    code = _CODE.search(text)
    return " ".join([*text.partition("<")[0].split(), *(code.groups() if code else ())])[:400]


def _parsed(url: str) -> tuple[str, str]:
    """The scheme, and the URL without slashes at its end."""
    try:
        parts = urlsplit(url)
        bucket, prefix = parts.netloc, parts.path.removeprefix("/").rstrip("/")
        if parts.scheme not in _ENDPOINTS or not bucket or _REFUSED.search(url):
            raise ValueError
        checked(f"{bucket}/{prefix}" if prefix else bucket)
    except ValueError:
        raise Misuse(
            f"{redact(url):.200}: expected a URL such as s3://bucket/channel",
            hint="credentials, regions and endpoints are named in the environment",
        ) from None
    return parts.scheme, f"{parts.scheme}://{bucket}/{prefix}".rstrip("/")


def _may_be_plain(scheme: str) -> bool:
    """Whether requests may go over plain http."""
    if os.environ.get(_ALLOW_HTTP[scheme], "").strip().lower() in ("1", "true", "yes", "on"):
        return True
    for variable in _ENDPOINTS[scheme]:
        endpoint = os.environ.get(variable, "")
        if endpoint.lower().startswith("http://"):
            if not _is_here(endpoint):
                hint = f"use https, or set {_ALLOW_HTTP[scheme]}=true"
                raise Misuse(f"{variable}: expected an https URL, found {redact(endpoint):.200}", hint=hint)
            return True
    return False


def _is_here(endpoint: str) -> bool:
    try:
        host = urlsplit(endpoint).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
