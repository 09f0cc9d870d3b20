"""The demo tells the whole story, and every step comes out as told."""

from condattest.cli.demo import Story
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Rejected


def test_the_demo_ends_well_and_leaves_its_files(run, tmp_path):
    ran = run("demo", "--dir", tmp_path / "demo")
    assert ran.code == 0, ran.out
    for word in ("accepted by", "BIND-DIGEST", "IDENTITY-MISMATCH", "CHANNEL-MISMATCH", "CRYPTO"):
        assert word in ran.out
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"trust_config.json", "trusted_root.json", "hello-demo-1.0.0-0.conda.sigstore.json"} <= names


def test_what_the_demo_tells_to_try_works(run, tmp_path):
    folder = tmp_path / "demo"
    assert run("demo", "--dir", folder, "--json").code == 0
    ran = run(
        "verify", "--offline", "--trusted-root", folder / "trusted_root.json", folder / "hello-demo-1.0.0-0.conda",
        "--repository", "demo-org/packages", "--channel", "https://conda.example/demo",
    )  # fmt: skip
    assert ran.code == 0, ran.out


def test_json_has_every_step(run, tmp_path):
    ran = run("demo", "--dir", tmp_path / "demo", "--json")
    assert ran.json["schema"] == "condattest/demo/1"
    assert all(step["asExpected"] and step["outcome"] for step in ran.json["steps"])


def test_a_folder_that_is_in_use_is_kept(run, tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "file").write_text("precious")
    assert run("demo", "--dir", folder).code == 2
    assert run("demo", "--dir", folder, "--force").code == 0
    assert (folder / "file").read_text() == "precious"


def test_a_step_that_comes_out_otherwise_is_told():
    story = Story(None)
    story.tell("a step")
    story.verdict(Rejected((Finding.of(Code.CRYPTO),)), code=None)
    assert not story.went_well
