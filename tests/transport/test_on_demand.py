"""The HTTP reader is made at the first request, once, and closed."""

import threading

from condattest.transport.on_demand import OnDemand


class Reader:
    """Stands where a Fetcher would; counts how often it is made and closed."""

    made = closed = 0

    def __init__(self):
        Reader.made += 1

    def __call__(self, url, limit):
        return f"{url} {limit}".encode()

    def fresh(self, url, limit):
        return b"fresh"

    def stream(self, url, limit):
        return iter([b"x"])

    def conditional(self, url, limit, *, etag=None, last_modified=None):
        return url, limit, etag, last_modified

    def close(self):
        Reader.closed += 1


def test_nothing_is_made_before_it_is_needed():
    Reader.made = 0
    with OnDemand(Reader):
        assert Reader.made == 0


def test_many_threads_share_one_and_it_is_closed():
    Reader.made = Reader.closed = 0
    with OnDemand(Reader) as reader:
        threads = [threading.Thread(target=lambda: reader("u", 1)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reader("https://x", 5) == b"https://x 5"
        assert reader.fresh("https://x", 5) == b"fresh"
        assert list(reader.stream("u", 1)) == [b"x"]
        assert reader.conditional("u", 1, etag="e", last_modified="m") == ("u", 1, "e", "m")
    assert (Reader.made, Reader.closed) == (1, 1)
