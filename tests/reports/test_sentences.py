import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.cli.main import cli
from condattest.model.finding import Code, Finding
from condattest.reports.sentences import advice, sentence

VERBS = cli.list_commands(click.Context(cli))
ADVICE = [pytest.param(text, id=code.value) for code in Code if (text := advice(Finding(code))) is not None]


@pytest.mark.parametrize("code", Code)
def test_every_code_yields_a_sentence_of_one_line(code):
    text = sentence(Finding.of(code, "x.conda", expected="a", found="b", reason="c"))
    assert text == f"{code.meaning} (x.conda): expected a, found b, reason: c"
    assert sentence(Finding(code)) == code.meaning


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding(Code.CRYPTO, "x"), "{} (x)"),
        (Finding(Code.CRYPTO, "", {"found": "b"}), "{}: found b"),
        (Finding(Code.CRYPTO, "", {"found": "b", "expected": "a"}), "{}: expected a, found b"),
        (Finding(Code.CRYPTO, "", {"element": "1", "expected": "a"}), "{}: expected a, element: 1"),
        (Finding(Code.CRYPTO, "", {"expected": ""}), "{}: expected "),
    ],
)
def test_a_sentence_says_where_and_what(finding, text):
    assert sentence(finding) == text.format(Code.CRYPTO.meaning)


def test_a_sentence_does_not_change_its_finding():
    finding = Finding.of(Code.CRYPTO, "x", expected="a", found="b")
    sentence(finding)
    assert finding == Finding.of(Code.CRYPTO, "x", expected="a", found="b")


@pytest.mark.parametrize("part", ["where", "expected", "found", "reason"])
@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J",
        "\r\nverdict: accepted",
        "\u202egpj.exe",
        "https://user:secret@host/x",
        "eyJzZWNyZXQi.eyJzZWNyZXQi.secret",
    ],
    ids=["ANSI", "a second line", "bidirectional", "credentials", "a token"],
)
def test_no_part_of_a_sentence_can_repaint_the_report_or_leak(part, hostile):
    """A signed name holds terminal sequences, or a refused URL holds a password."""
    facts = {} if part == "where" else {part: hostile}
    text = sentence(Finding.of(Code.BIND_NAME, hostile if part == "where" else "x", **facts))
    assert text.isprintable()
    assert "secret" not in text
    assert "\u202e" not in text


@given(
    st.sampled_from(Code), st.text(max_size=20), st.dictionaries(st.sampled_from(["expected", "found", "x"]), st.text())
)
def test_a_sentence_is_always_one_line(code, where, facts):
    text = sentence(Finding(code, where, facts))
    assert text.startswith(code.meaning)
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("text", ADVICE)
def test_advice_is_one_line_without_a_capital_or_a_full_stop(text):
    assert text.isascii()
    assert text.isprintable()
    assert text[0].islower()
    assert not text.endswith(".")


@pytest.mark.parametrize("text", ADVICE)
def test_advice_names_real_verbs(text):
    for verb in re.findall(r"\bcondattest ([a-z-]+)", text):
        assert verb in VERBS


@pytest.mark.parametrize("text", ADVICE)
def test_advice_names_real_options(text):
    """Advice that cannot be followed sends people to switch the check off."""
    options: set[str] = set()
    patch = cli.get_command(click.Context(cli), "patch")
    verbs = [cli.get_command(click.Context(cli), verb) for verb in ("verify", "attest", "publish", "index")]
    for command in (*verbs, patch.commands["attest"]):
        options |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    text = text.replace("conda list --explicit --sha256", "")  # Another program's.
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", text)) <= options


@pytest.mark.parametrize(
    "code",
    [
        *(Code.MISSING_ATTESTATION, Code.MISSING_PUBLISH, Code.IDENTITY_NOT_REQUIRED, Code.IDENTITY_MISMATCH),
        *(Code.NET_OFFLINE, Code.NET_UNAVAILABLE, Code.NET_TRUST_ROOT, Code.POLICY_NONE, Code.CRYPTO, Code.ROLLBACK),
    ],
)
def test_what_people_meet_often_has_advice(code):
    assert advice(Finding(code))


def test_advice_never_says_to_skip_the_check():
    """Advice to add a flag that turns verification off is followed."""
    for code in Code:
        assert not re.search(r"--(no-|skip|insecure|allow|force)|disable|ignore it", advice(Finding(code)) or "")


def test_a_finding_without_advice_has_none():
    assert advice(Finding(Code.BUNDLE_JSON)) is None
