"""Logging in with a browser: the OAuth 2.0 authorization code flow, with PKCE, for one person who always agrees.

Owns `Login`. Refuses to send a code anywhere but to this machine, a code that was used, and a verifier that is not the
challenge's.

Specs: RFC 6749 section 4.1, RFC 7636
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

from condattest.sandbox.identity import Identity, email

PERSON: Final = email("rehearsal@example.org")
_LOCAL: Final = ("localhost", "127.0.0.1")


class Login:
    """The codes that were given out, each with its challenge."""

    def __init__(self, person: Identity = PERSON) -> None:
        self.person = person
        self._challenges: dict[str, str] = {}
        self._lock = threading.Lock()

    def grant(self, query: Mapping[str, str]) -> str:
        """Return where the browser goes next, with a code.

        Raises:
            ValueError, KeyError: The request is not one, or would send the code elsewhere.
        """
        target = urlsplit(query["redirect_uri"])
        if target.scheme != "http" or target.hostname not in _LOCAL:
            raise ValueError("redirect_uri must be on this machine")
        if query["response_type"] != "code" or query["code_challenge_method"] != "S256":
            raise ValueError("expected a code, with an S256 challenge")
        code = secrets.token_urlsafe(16)
        with self._lock:
            self._challenges[code] = query["code_challenge"]
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def redeem(self, form: Mapping[str, str]) -> Identity:
        """Return who logged in, for a code and the verifier of its challenge.

        Raises:
            ValueError, KeyError: The code is unknown or used, or the verifier is another.
        """
        with self._lock:
            challenge = self._challenges.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            raise ValueError("the verifier is not the challenge's")
        return self.person
