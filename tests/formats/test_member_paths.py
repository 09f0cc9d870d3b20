import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats.member_paths import MemberPaths
from condattest.formats.tar_members import Member, MemberType
from condattest.model.finding import Code

FILE, FOLDER, SYMLINK, HARDLINK = MemberType.FILE, MemberType.DIRECTORY, MemberType.SYMLINK, MemberType.HARDLINK


def admit(*members):
    paths = MemberPaths("x")
    return [paths.admit(Member(name, type_, 0, target)) for name, type_, target in members]


def refused(*members):
    with pytest.raises(Malformed) as caught:
        admit(*members)
    assert caught.value.finding.code is Code.ARCHIVE_PATH
    return caught.value.finding


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("info/index.json", "info/index.json"),
        ("./info/index.json", "info/index.json"),
        ("info//./index.json", "info/index.json"),
        ("info/", "info"),
        ("./", ""),
        ("share/man/man3/A::B.3", "share/man/man3/A::B.3"),
        ("lib/systemd/system-x\\x2dy.slice", "lib/systemd/system-x\\x2dy.slice"),
        ("..x/...", "..x/..."),
        ("share/\udce9", "share/\udce9"),
    ],
)
def test_a_path_is_brought_to_one_form(name, path):
    assert admit((name, FOLDER, "")) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../b",
        "a/..",
        "info/../../x",
        "/etc/passwd",
        "//x",
        "\\x",
        "C:/x",
        "c:x",
        "./C:/x",
        ".//\\x",
        "a\\..\\..\\x",
        "..\\x",
        "info\\index.json",
        "INFO\\index.json",
        "info/a\\b",
        "./info\\x",
        "x\0y",
        "a/" * 2000 + "b",
        "x" * 5000,
        "./",
        ".",
    ],
    ids=lambda name: repr(name)[:30],
)
def test_a_path_that_could_reach_outside_is_refused(name):
    """Absolute names, parents, drives, backslashes that Windows takes as separators, NUL."""
    refused((name, FILE, ""))


@pytest.mark.parametrize(
    "members",
    [
        [("lib", SYMLINK, "/etc"), ("lib/passwd", FILE, "")],
        [("a", SYMLINK, "."), ("b", SYMLINK, "a/.."), ("b/x", FILE, "")],
        [("x", SYMLINK, "/etc/passwd"), ("x", FILE, "")],
        [("x", SYMLINK, "info/index.json"), ("./x", FILE, "")],
        [("x", HARDLINK, "y"), ("x", FILE, "")],
        [("Lib", SYMLINK, "/etc"), ("lib/passwd", FILE, "")],
        [("d", SYMLINK, "/etc"), ("h", HARDLINK, "d/passwd")],
        [("d", SYMLINK, "/etc/passwd"), ("h", HARDLINK, "d")],
        [("a/b", SYMLINK, "/"), ("a/b/c/d/e", FOLDER, "")],
        [("info", SYMLINK, "elsewhere")],
        [("Info", SYMLINK, "elsewhere")],
        [(".", SYMLINK, "elsewhere")],
    ],
    ids=repr,
)
def test_writing_through_a_link_is_refused(members):
    """A link first, then a member that extraction would write where the link points."""
    refused(*members)


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../../x", "a/../../../x", "a/..", "..\\..\\x", "C:\\x", "", "../..", "a/../b"],
)
def test_a_symbolic_link_in_info_that_could_leave_the_package_is_refused(target):
    """In one step, or through another link: `a -> .`, then `b -> a/../x`."""
    refused(("info/link", SYMLINK, target))


@pytest.mark.parametrize(
    "target", ["index.json", "recipe/a", "../info/index.json", "./x", "..", "..x", "a..", "../lib/x"]
)
def test_a_symbolic_link_in_info_that_stays_is_admitted(target):
    assert admit(("info/link", SYMLINK, target)) == ["info/link"]


@pytest.mark.parametrize(
    "member",
    [
        ("info/index.json", HARDLINK, "share/x"),
        ("share/x", HARDLINK, "info/index.json"),
        ("share/x", HARDLINK, "./INFO//index.json"),
        ("share/x", HARDLINK, "/etc/passwd"),
        ("share/x", HARDLINK, "../x"),
    ],
    ids=repr,
)
def test_a_hard_link_that_touches_info_or_leaves_is_refused(member):
    """Two names of one file: writing the second one later changes info/index.json."""
    refused(member)


def test_links_that_real_packages_have_are_admitted():
    """Hard links make up git, symbolic ones libraries; CDT packages link to absolute places."""
    admit(
        ("lib/libz.so.1.2", FILE, ""),
        ("lib/libz.so", SYMLINK, "libz.so.1.2"),
        ("bin/git", FILE, ""),
        ("libexec/git-core/git-add", HARDLINK, "bin/git"),
        ("usr/lib64/x", SYMLINK, "/usr/lib/x"),
        ("lib64", SYMLINK, "lib"),
        ("share/terminfo/e/eterm", FILE, ""),
        ("share/terminfo/E/Eterm", SYMLINK, "../e/eterm"),
        ("share/terminfo/e/eterm-color", FILE, ""),
        ("lib/nowhere.so", SYMLINK, ""),
    )


def test_more_links_than_memory_should_hold_are_refused():
    """Long names compress well: a small archive could make its reader remember gigabytes of them."""
    paths = MemberPaths("x")
    links = [Member(f"{number}/" + "x" * 4000, SYMLINK, 0, "x") for number in range(5000)]
    with pytest.raises(Malformed) as caught:
        list(map(paths.admit, links))
    assert caught.value.finding.code is Code.ARCHIVE_BOMB


@given(st.text(max_size=30))
def test_no_admitted_path_leaves(name):
    try:
        [path] = admit((name, FOLDER, ""))
    except Malformed:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")) or path == ""


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b"]), max_size=6).map("/".join))
def test_no_admitted_link_in_info_leaves_even_where_each_name_is_a_link_to_the_root(target):
    try:
        admit(("info/link", SYMLINK, target))
    except Malformed:
        return
    depth = 1  # Within info/. A name could itself be a link to the package's folder, which is depth 0.
    for part in target.split("/"):
        depth = depth - 1 if part == ".." else depth if part in ("", ".") else 0
        assert depth >= 0
