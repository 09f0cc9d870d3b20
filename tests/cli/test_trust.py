"""`condattest trust`: which root is used, and a copy of it for a machine without network."""

from condattest.signatures import refresh


def test_the_root_and_its_windows_are_shown(run):
    ran = run("trust", "show", "--offline")
    assert ran.code == 0
    for word in ("production", "sha256", "https://rekor.sigstore.dev", "time-stamp authority"):
        assert word in ran.out


def test_a_copy_verifies_as_the_original(run, tmp_path):
    copy = tmp_path / "trusted_root.json"
    ran = run("trust", "fetch", "--offline", "--output", copy, "--json")
    assert ran.code == 0
    assert copy.read_bytes() == refresh.PRODUCTION.shipped("trusted_root.json")
    again = run("trust", "show", "--trusted-root", copy, "--json")
    assert again.json["sha256"] == ran.json["sha256"]


def test_a_file_in_the_way_is_kept(run, tmp_path):
    copy = tmp_path / "trusted_root.json"
    copy.write_text("precious")
    assert run("trust", "fetch", "--offline", "--output", copy).code == 2
    assert copy.read_text() == "precious"
    assert run("trust", "fetch", "--offline", "--output", copy, "--force").code == 0


def test_staging_is_another_root(run):
    assert run("trust", "show", "--offline", "--staging", "--json").json["name"] == "staging"


def test_a_folder_that_is_not_there_is_an_error(run, tmp_path):
    ran = run("trust", "fetch", "--offline", "--output", tmp_path / "no" / "root.json", "--json")
    assert ran.code == 3
    assert "no" in ran.json["error"]["message"]
