"""`@EXPLICIT` lists as clients write them."""

import pytest

from condattest.formats import lockfile_explicit
from condattest.formats.lockfile import WrongLock
from tests.locks import MD5, SHA, URL, explicit

PKG = f"{URL}/linux-64/numbers-1.0-0.conda"


def parse(*lines, **how):
    return lockfile_explicit.parse(explicit(*lines, **how), where="list")


@pytest.mark.parametrize(
    ("mark", "sha256", "md5"),
    [("#" + SHA, SHA, None), ("#sha256:" + SHA, SHA, None), ("#" + MD5, None, MD5), ("#md5:" + MD5, None, MD5),
     ("", None, None)],
)  # fmt: skip
def test_every_form_of_a_digest_is_read(mark, sha256, md5):
    [entry] = parse(PKG + mark).entries
    assert (entry.url, entry.sha256, entry.md5) == (PKG, sha256, md5)
    assert entry.where == "list: line 5"
    assert entry.platforms == ("linux-64",)


def test_paths_and_file_urls_are_entries():
    found = parse("/srv/p/x-1-0.conda", "file:///srv/p/y-1-0.tar.bz2#" + MD5, "C:\\p\\z-1-0.conda").entries
    assert [entry.url for entry in found] == ["/srv/p/x-1-0.conda", "file:///srv/p/y-1-0.tar.bz2", "C:\\p\\z-1-0.conda"]


@pytest.mark.parametrize(
    "line",
    [
        "x-1-0.conda", "./x-1-0.conda", "numbers=1.0", f"{URL}/linux-64/", f"{PKG}#{SHA[:-1]}", f"{PKG}#{SHA.upper()}",
        f"{PKG}#", f"{PKG}#{SHA} # comment", f"{PKG} {PKG}#{SHA}", f"-e {PKG}", "https://me:secret@h/x",
    ],
)  # fmt: skip
def test_another_line_is_refused_with_its_number(line):
    with pytest.raises(WrongLock, match="list: line 5: expected") as caught:
        parse(line)
    assert "secret" not in str(caught.value)
    assert "sha256" in caught.value.hint


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_nothing_hides_behind_a_comment(end):
    """A line ends where one client sees it end, and what follows is installed: it is no comment."""
    lock = parse(f"# harmless{end}{PKG}#{SHA}")
    assert [entry.url for entry in lock.entries] == [PKG]


def test_without_a_platform_it_is_that_of_each_url():
    lock = parse(f"{PKG}#{SHA}", f"{URL}/noarch/x-1-0.conda#{SHA}", f"{URL}/osx-64/y-1-0.conda#{SHA}", platform=None)
    assert lock.platforms == ("linux-64", "osx-64")
    assert [entry.platforms for entry in lock.entries] == [("linux-64",), ("linux-64", "osx-64"), ("osx-64",)]


@pytest.mark.parametrize("data", [b"", b"# only\n", b"x\n@EXPLICIT\n", b"@EXPLICITLY\n"])
def test_another_text_does_not_look_like_a_list(data):
    assert not lockfile_explicit.looks_like(data)
