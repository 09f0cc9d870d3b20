"""`condattest inspect` shows claims under a banner, and never as more."""

import pytest

from condattest.sandbox import github
from tests.rehearsal import REPOSITORY, a_package, sandbox, signed

BUNDLE = sandbox().sign_statement(b'{"x": "\\u001b[31m"}', github(REPOSITORY))


def test_a_bundle_is_shown_under_the_banner(run, tmp_path):
    package = a_package(tmp_path)
    signed(package)
    ran = run("inspect", f"{package}.sigstore.json")
    assert ran.code == 0
    assert ran.out.startswith("NOT VERIFIED")
    assert package.name in ran.out
    assert REPOSITORY in ran.out


def test_json_says_that_nothing_was_verified(run, tmp_path):
    path = tmp_path / "x.sigs"
    path.write_bytes(b"[" + BUNDLE + b"," + BUNDLE + b"]")
    ran = run("inspect", path, "--json")
    assert ran.json["verified"] is False
    assert [part["kind"] for part in ran.json["contents"]] == ["bundle"] * 2


def test_a_package_shows_its_digest_and_its_metadata(run, tmp_path):
    ran = run("inspect", a_package(tmp_path), "--json")
    [part] = ran.json["contents"]
    assert part["index"]["name"] == "numbers"
    assert len(part["sha256"]) == 64


def test_no_time_is_shown_since_none_was_verified(run, tmp_path):
    path = tmp_path / "bundle.json"
    path.write_bytes(BUNDLE)
    assert "integratedTime" not in run("inspect", path).out


@pytest.mark.parametrize(("name", "content", "code"), [
    ("missing.json", None, 2),
    ("junk.json", b"junk", 1),
    ("empty.sigs", b"[]", 1),
    ("x-1-0.conda", b"junk", 1),
    ("nonsense.conda", b"junk", 2),
])  # fmt: skip
def test_what_cannot_be_read_is_an_error(run, tmp_path, name, content, code):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    ran = run("inspect", path, "--json")
    assert ran.code == code
    assert name in ran.json["error"]["message"]
