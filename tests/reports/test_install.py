"""What the user of an installer reads."""

from condattest.errors import Misuse, Unavailable
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations.install_gate import Answer, Wanted
from condattest.reports import install

URL = "https://me:secret@h.example/t/TOKEN/c/noarch/x-1-0.conda"
REJECTED = Answer(Wanted(url=URL), None, Rejected((Finding.of(Code.MISSING_ATTESTATION, "there"),)))
UNDECIDED = Answer(Wanted(url=URL), None, Undecided((Finding.of(Code.NET_OFFLINE, "\x1b[2Jthere"),)))


def test_each_package_has_its_reason_and_the_next_step():
    text = install.told([REJECTED, UNDECIDED], 3, install.REFUSED)
    assert text.splitlines()[0] == "condattest: of 3 packages, 1 rejected, 1 undecided; nothing is installed"
    assert "MISSING-ATTESTATION: no attestation was found" in text
    assert text.count("next: ") == 2
    assert "of 1 package, 1 undecided; " in install.told([UNDECIDED], 1, install.REPORTED)


def test_secrets_and_control_characters_stay_out():
    for text in (install.told([REJECTED, UNDECIDED], 2, install.REFUSED), str(install.findings([REJECTED, UNDECIDED]))):
        assert "TOKEN" not in text
        assert "secret" not in text
        assert "\x1b" not in text


def test_an_outage_does_not_fill_pages():
    text = install.told([UNDECIDED] * 100, 100, install.REFUSED)
    assert text.count("NET-OFFLINE") == install.SHOWN
    assert text.endswith("and 80 more")


def test_that_nothing_was_checked_is_said_with_the_reason_and_the_next_step():
    text = install.unchecked(Misuse("\x1b[2Jroot.json: cannot be read", hint="give another"), 2, install.REPORTED)
    assert text.splitlines() == [
        "condattest: NOTHING WAS CHECKED of 2 packages; installed all the same, since condattest_mode is report",
        "  \\x1b[2Jroot.json: cannot be read",
        "    next: give another",
    ]
    text = install.unchecked(Unavailable("https://me:secret@h.example/x", "down"), 1, install.REPORTED)
    assert "of 1 package;" in text
    assert "secret" not in text
    assert "next" not in text


def test_programs_get_codes_and_facts():
    [found] = install.findings([REJECTED])
    assert found["code"] == "MISSING-ATTESTATION"
    assert found["package"] == "https://h.example/c/noarch/x-1-0.conda"
    assert install.findings([Answer(REJECTED.wanted, None, Accepted("rule", ()))]) == []
