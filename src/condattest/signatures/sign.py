"""Sign statements: one certificate for many, logged in parallel, each failure in its service's own words.

Owns `Signing`. One ephemeral key and certificate serve a batch while the certificate is valid; then a new one is
asked for. Refuses to wait for ever: sigstore's clients have no time-out, so each signature has a deadline here. A
service that answers with a passing fault (a 5xx, a dropped connection) is tried again.

sigstore's own errors are coarse where services fail: the TSA's fault is a log line, Fulcio's words are lost. They are
found again here.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

import requests
import stamina
from sigstore._internal.fulcio.client import ExpiredCertificate, FulcioClientError
from sigstore._internal.rekor import RekorClientError
from sigstore.dsse import Statement
from sigstore.errors import Error as SigstoreError
from sigstore.sign import Signer, SigningContext

from condattest.errors import CondattestError, ServiceFailed
from condattest.signatures.identity import Source, Token, expiry_as_no_identity
from condattest.signatures.trust_root import TrustRoot

DEADLINE: Final = 60.0
"""Seconds for one signature, with its time stamp and its log entry."""
ATTEMPTS: Final = 3
_SERVICE_ERRORS: Final = (requests.RequestException, FulcioClientError, RekorClientError)
_MAX_WORDS: Final = 500
_POLL: Final = 0.2
_RENEWALS: Final = 3
"""Certificates for one signature: with a clock that is ahead, each one has expired when it comes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The outcome for one statement: its place in the batch, and the bundle's JSON or why there is none."""

    index: int
    outcome: bytes | CondattestError


class Signing:
    """Signs statements with one identity, under one trust config."""

    def __init__(
        self, trust: TrustRoot, source: Source, *, deadline: float = DEADLINE, attempts: int = ATTEMPTS
    ) -> None:
        config = trust.trust_config.signing_config
        self._context = SigningContext.from_trust_config(trust.trust_config)
        self._stamp_urls = tuple(client.url for client in config.get_tsas())
        self._fulcio_url = config.get_fulcio().url
        self._source = source
        self._deadline = deadline
        self._attempts = attempts
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._signer: Signer | None = None

    def sign(self, statements: Sequence[bytes], *, jobs: int) -> Iterator[Signed]:
        """Sign each payload as an in-toto DSSE envelope; yield outcomes as they come, up to `jobs` at a time.

        Raises:
            NoIdentity: Before anything is signed, when there is no usable token.
            ServiceFailed: Before anything is signed, when there is no certificate.
        """
        _within(self._deadline, self._fulcio_url, lambda: self._renew(None))
        pending: SimpleQueue[int] = SimpleQueue()
        for index in range(len(statements)):
            pending.put(index)
        done: SimpleQueue[Signed] = SimpleQueue()
        started: dict[int, float] = {}

        def work() -> None:
            while True:
                try:
                    index = pending.get_nowait()
                except Empty:
                    return
                started[index] = time.monotonic()
                done.put(Signed(index, self._outcome(statements[index])))

        for _ in range(min(jobs, len(statements))):
            _start(work)
        finished: set[int] = set()
        while len(finished) < len(statements):
            try:
                signed = done.get(timeout=_POLL)
            except Empty:
                for index in self._late(started, finished):
                    finished.add(index)
                    _start(work)  # In the place of the worker that hangs.
                    yield Signed(index, _no_answer("the signing services", self._deadline))
            else:
                if signed.index not in finished:
                    finished.add(signed.index)
                    yield signed

    def _late(self, started: dict[int, float], finished: set[int]) -> list[int]:
        limit = time.monotonic() - self._deadline
        return [index for index, at in dict(started).items() if index not in finished and at < limit]

    def _outcome(self, statement: bytes) -> bytes | CondattestError:
        try:
            return self._sign_with_retries(statement)
        except CondattestError as error:
            return error

    def _sign_with_retries(self, statement: bytes) -> bytes:
        try:
            for attempt in self._retries():
                with attempt:
                    return self._sign_once(statement)
        except _SERVICE_ERRORS as error:
            raise _in_its_own_words(error, "the transparency log") from None
        except (SigstoreError, ValueError, KeyError) as error:
            raise ServiceFailed("the signing services", str(error)) from None
        raise AssertionError("a retry context ends by a value or an exception")

    def _sign_once(self, statement: bytes) -> bytes:
        signer = self._signer
        for _ in range(_RENEWALS):
            if signer is None:
                signer = self._renew(None)
            try:
                bundle = signer.sign_dsse(Statement(statement))
            except ExpiredCertificate:
                signer = self._renew(signer)
                continue
            except SigstoreError as error:
                if self._stamp_urls and "signed timestamp" in str(error):
                    raise _StampMissing(self._stamp_urls[0]) from None
                raise
            if self._stamp_urls and bundle.verification_material.timestamp_verification_data is None:
                raise _StampMissing(self._stamp_urls[0])
            return bundle.to_json().encode()
        raise ServiceFailed(
            self._fulcio_url,
            "each certificate had expired when it came",
            hint="check this machine's clock: condattest doctor",
        )

    def _renew(self, used: Signer | None) -> Signer:
        """Return a signer with a fresh certificate; of several threads whose signer expired, one asks."""
        with self._lock:
            if self._signer is not None and self._signer is not used:
                return self._signer
            if self._token is None or not self._token.is_valid:
                self._token = self._source()
            try:
                for attempt in self._retries():
                    made = self._context.signer(self._token.parsed, cache=True)
                    with attempt, expiry_as_no_identity(), made as signer:
                        self._signer = signer
            except _SERVICE_ERRORS as error:
                raise _in_its_own_words(error, self._fulcio_url) from None
            except (SigstoreError, ValueError) as error:
                raise ServiceFailed(self._fulcio_url, f"no certificate: {error}") from None
            assert self._signer is not None  # noqa: S101 (retries end by a value or an exception)
            return self._signer

    def _retries(self) -> Iterable[stamina.Attempt]:
        return stamina.retry_context(
            on=_may_pass, attempts=self._attempts, timeout=self._deadline, wait_initial=0.2, wait_max=5.0
        )


class _StampMissing(ServiceFailed):
    def __init__(self, url: str) -> None:
        super().__init__(url, "the time-stamp authority gave no time stamp", hint="try again when it answers")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, _StampMissing | requests.ConnectionError | requests.Timeout):
        return True
    response = _response(error)
    return response is not None and (response.status_code >= 500 or response.status_code == 429)


def _response(error: BaseException) -> requests.Response | None:
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if isinstance(response, requests.Response):
            return response
        seen = seen.__cause__ or seen.__context__
    return None


def _in_its_own_words(error: Exception, where: str) -> ServiceFailed:
    response = _response(error)
    if response is None:
        return ServiceFailed(where, f"{type(error).__name__}: {error}"[:_MAX_WORDS])
    words = response.text
    try:
        document = json.loads(words)
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            words = document["message"]
    except ValueError:
        pass
    return ServiceFailed(response.url, f"HTTP {response.status_code}: {words}"[:_MAX_WORDS])


def _within(seconds: float, where: str, call: Callable[[], object]) -> None:
    """Run `call` in a thread of its own, and give up on it after `seconds`."""
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    _start(run)
    try:
        error = ended.get(timeout=seconds)
    except Empty:
        raise _no_answer(where, seconds) from None
    if error is not None:
        raise error


def _start(work: Callable[[], None]) -> None:
    # A daemon: a service that never answers must not keep the process alive.
    threading.Thread(target=work, daemon=True).start()


def _no_answer(where: str, seconds: float) -> ServiceFailed:
    return ServiceFailed(where, f"no answer within {seconds:g} s", hint="nothing was written for it; run it again")
