"""`condattest doctor` tells how things stand and changes nothing."""


def test_every_check_is_told(run, tmp_path):
    ran = run("doctor", "--offline", "--json")
    assert ran.code == 0
    names = [check["name"] for check in ran.json["checks"]]
    assert names == ["libraries", "extras", "clock", "trust root", "cache", "policy", "identity", "conda"]
    assert not (tmp_path / "home").exists()


def test_a_broken_policy_is_a_failure(run, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("version = 2")
    ran = run("doctor", "--offline", "--json", env={"CONDATTEST_POLICY": str(path)})
    assert ran.code == 3
    assert {check["name"]: check["state"] for check in ran.json["checks"]}["policy"] == "failed"


def test_advice_is_shown_to_people(run):
    ran = run("doctor", "--offline", env={"GITHUB_ACTIONS": "true"})
    assert "id-token: write" in ran.out


def test_a_broken_trust_root_is_a_failure_and_the_rest_is_told(run, tmp_path):
    path = tmp_path / "root.json"
    path.write_text("{}")
    ran = run("doctor", "--trusted-root", path, "--json")
    assert ran.code == 3
    states = {check["name"]: check["state"] for check in ran.json["checks"]}
    assert states["trust root"] == "failed"
    assert states["libraries"] == "ok"
