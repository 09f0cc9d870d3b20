"""The demo's last chapter: an audit finds what the story did to the mirror, and leaves a page."""

WHERE = ("--channel", "https://conda.example/demo")


def test_the_audit_is_told_and_leaves_a_page(run, tmp_path):
    folder = tmp_path / "demo"
    document = run("demo", "--dir", folder, "--json").json
    last = document["steps"][-1]
    assert last["step"].startswith("A security team")
    assert last["outcome"] == "1 accepted, 1 rejected, 1 unattested, 0 undecided; the page is audit.html"
    page = (folder / "audit.html").read_text("utf-8")
    assert "PATCH-STRIPPED" in page
    assert "forgotten-demo-0.1.0-0.conda" in page


def test_what_it_leaves_can_be_audited_again(run, tmp_path):
    folder = tmp_path / "demo"
    run("demo", "--dir", folder)
    trust = ("--trusted-root", folder / "trusted_root.json", "--policy", folder / "audit.toml", "--no-cache")
    ran = run("audit", folder / "mirror", *WHERE, *trust, "--json")
    assert ran.code == 1
    found = {each["file"]: each["status"] for each in ran.json["results"]}
    assert found == {
        "forgotten-demo-0.1.0-0.conda": "unattested",
        "hello-demo-1.0.0-0.conda": "accepted",
        "numbers-demo-2.1.0-0.conda": "rejected",
    }
    assert run("audit", folder / "channel", *WHERE, *trust).code == 0
