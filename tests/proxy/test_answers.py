import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from condattest.model.finding import Code, Finding
from condattest.proxy import answers
from condattest.proxy.answers import matches, problem, span

ETAG = '"abc"'


def asking(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=5-99", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=0-1,3-4", None),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_a_span_is_one_range_of_bytes(asked, expected):
    assert span(asking(range=asked), ETAG, 10) == expected


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-11", "bytes=-0"])
def test_a_span_outside_is_not_satisfiable(asked):
    with pytest.raises(ValueError, match="not satisfiable"):
        span(asking(range=asked), ETAG, 10)


@given(st.text(alphabet="bytes=0123456789-,", max_size=30), st.integers(1, 1000))
def test_a_span_lies_within_the_file(asked, size):
    try:
        found = span(asking(range=asked), ETAG, size)
    except ValueError:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(ETAG, True), ("*", True), (f'"x", W/{ETAG}', True), ('"x"', False), ("abc", False)],
)
def test_etags_are_compared_whole(asked, expected):
    assert matches(asking(if_none_match=asked), ETAG) is expected
    assert matches(asking(), ETAG) is False


def test_a_problem_says_codes_and_sentences():
    answer = problem(403, (Finding.of(Code.CRYPTO, "x\x1b[31m"),))
    assert answer.headers["x-condattest"] == "refused; CRYPTO"
    assert answer.headers["cache-control"] == "no-store"
    assert b"\\u001b" not in answer.body


def test_a_client_that_takes_nothing_holds_nothing_for_long():
    """As many as there are connections to the channel would take it from everybody."""
    sent, closed = [], []

    def parts():
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    async def send(message):
        sent.append(message["type"])
        if len(sent) > 3:
            await anyio.sleep_forever()

    async def serve():
        passing = answers.Passing(
            parts(), CapacityLimiter(1), on_refused=None, on_done=lambda: sent.append("done"), headers={}, patience=0.05
        )
        await passing({}, None, send)

    anyio.run(serve)
    assert closed == [True]
    assert sent == ["http.response.start", *["http.response.body"] * 3]
