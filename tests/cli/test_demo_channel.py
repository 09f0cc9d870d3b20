"""The demo's second chapter: what it leaves behind is a real channel with a real history."""

import json


def test_the_chapter_is_told_and_comes_out_as_told(run, tmp_path):
    document = run("demo", "--dir", tmp_path / "demo", "--json").json
    told = {step["step"]: step for step in document["steps"]}
    blamed = next(step for title, step in told.items() if title.startswith("Who changed"))
    assert '["hello-demo >=1"] -> ["hello-demo >=1,<2"]; generation 2' in blamed["outcome"]
    assert "demo-org/hotfixes" in blamed["outcome"]
    stripped = next(step for title, step in told.items() if title.startswith("A mirror"))
    assert stripped["outcome"].startswith("rejected: PATCH-STRIPPED")
    assert all(step["asExpected"] for step in document["steps"])


def test_what_it_leaves_can_be_asked_again(run, tmp_path):
    folder = tmp_path / "demo"
    run("demo", "--dir", folder)
    where = (
        "--trusted-root", folder / "trusted_root.json", "--subdir", "noarch",
        "--channel", "https://conda.example/demo", "--repository", "demo-org/hotfixes",
    )  # fmt: skip
    blamed = run("patch", "blame", folder / "channel", "numbers-demo-2.1.0-0.conda", *where, "--json")
    assert [key["key"] for key in blamed.json["keys"]] == ["depends"]
    assert run("patch", "verify", folder / "channel", *where).code == 0
    mirror = run("patch", "verify", folder / "mirror", *where)
    assert mirror.code == 1
    assert "PATCH-STRIPPED" in mirror.out
    assert run("index", folder / "channel", "--check").code in (0, 1)
    record = json.loads((folder / "channel" / "noarch" / "repodata.json").read_bytes())["packages.conda"]
    assert record["numbers-demo-2.1.0-0.conda"]["depends"] == ["hello-demo >=1,<2"]
