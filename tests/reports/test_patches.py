"""Generations, their history and their blame: the documents have it all, and no foreign text paints over a line."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from condattest.formats.patch_descriptors import Input, InputSigner, Source
from condattest.formats.patch_differences import Difference, Unattributed
from condattest.formats.patch_files import Value
from condattest.model.finding import Code, Finding
from condattest.operations import patch_log, patch_verify
from condattest.operations.patch_attest import Made
from condattest.operations.patch_blame import Line, Touch
from condattest.operations.patch_cosign import Cosigned
from condattest.operations.patch_log import Step
from condattest.reports import patches
from tests.patched_channel import FILE, NAME, TEAMS, fix

EVIL = "x\x1b[2J\u202eok\neyJhbGciOiJIUzI1NiJ9.e30.c2ln"
FINDING = Finding.of(Code.ROLLBACK, "1.sigs\x1b[2J", expected="a", found="b\nc")


def shown(show, *values, **how):
    out = io.StringIO()
    show(Console(file=out, width=400, markup=False), *values, **how)
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "eyJhbGci" not in text
    return text


def hostile(generation):
    """The same generation by an author whose every text is hostile."""
    said = replace(
        generation.said,
        engine=EVIL,
        engine_version=EVIL,
        source=Source(EVIL, "0" * 40, "package", EVIL),
        inputs=(Input(EVIL, generation.payload, (InputSigner(EVIL, EVIL),)),),
        unattributed=Unattributed(2, (Difference("packages", EVIL, (EVIL,)),)),
    )
    evidence = tuple(replace(each, signer=replace(each.signer, san=EVIL)) for each in generation.evidence)
    return replace(generation, said=said, evidence=evidence)


@pytest.fixture
def newest(history):
    return history.chain().newest()


def test_a_generation_is_told_whole(newest):
    told = patches.generation(newest)
    assert json.loads(json.dumps(told)) == told
    assert (told["generation"], told["payloadSha256"], told["previous"]) == (3, newest.payload, newest.said.previous)
    assert (told["source"], told["asBuilt"], told["role"]) == (None, "archive", "author")
    assert told["time"]["at"].startswith("2026-03-03T12:0")
    assert told["counts"] == {"records": 3, "patched": 1, "removed": 0, "changed": 1}
    assert [each["signer"]["identity"] for each in told["evidence"]] == [newest.evidence[0].signer.san]


def test_in_documents_foreign_text_is_escaped(newest):
    told = json.dumps(patches.generation(hostile(newest)), ensure_ascii=False)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "\\u001b" not in told


class TestMade:
    def test_a_new_one_is_counted(self, history):
        history.index(fix(depends=[]) | {"remove": ["words-1.0-0.conda"]})
        made = history.attest()
        told = patches.made([made])
        [result] = told["results"]
        assert told["totals"] == {"subdirs": 1, "new": 1}
        assert result["changed"] == [f"packages.conda/{NAME}", "packages.conda/words-1.0-0.conda"]
        assert result["written"][-1] == "head.json"
        text = shown(patches.show_made, [made])
        assert "generation 4 signed" in text
        assert "2 records changed; 1 patched and 1 removed of 3" in text

    def test_an_old_one_is_said_to_be_old(self, newest):
        made = Made(newest, new=False)
        assert patches.made([made])["totals"] == {"subdirs": 1, "new": 0}
        assert shown(patches.show_made, [made]) == "noarch: nothing changed since generation 3\n"

    def test_a_signer_who_is_missing_is_told(self, newest):
        text = shown(patches.show_made, [Made(newest, new=True, wanted=2)])
        assert "1 of 2 signers: head.json does not name it until another one runs condattest patch cosign" in text
        assert patches.made([Made(newest, new=True, wanted=2)])["results"][0]["signers"] == {"found": 1, "wanted": 2}
        assert "signers" not in shown(patches.show_made, [Made(newest, new=True)])

    @pytest.mark.parametrize("new", [True, False])
    def test_what_is_served_otherwise_is_told(self, newest, new):
        made = Made(newest, new=new, unattributed=Unattributed(1, (Difference("packages", "x-1-0.tar.bz2", ("a",)),)))
        text = shown(patches.show_made, [made])
        assert "1 difference to what is served:\n    packages/x-1-0.tar.bz2 (a)\n" in text


class TestCosigned:
    def test_it_says_who_signed_now(self, newest):
        text = shown(patches.show_cosigned, [Cosigned(newest, new=True, wanted=1, proved=True)])
        assert text.startswith(f"noarch: generation 3 cosigned: https://github.com/{TEAMS[2]}")
        assert text.count("\n") == 1
        text = shown(patches.show_cosigned, [Cosigned(hostile(newest), new=False, wanted=3, proved=False)])
        assert "signed by this signer already" in text
        assert "1 of 3 signers" in text
        assert "not proved by archives: this signer vouches for that" in text

    def test_the_document(self, newest):
        told = patches.cosigned([Cosigned(newest, new=True, wanted=2, proved=True)])
        assert told["totals"] == {"subdirs": 1, "new": 1}
        assert (told["results"][0]["new"], told["results"][0]["signers"]) == (True, {"found": 1, "wanted": 2})
        assert told["results"][0]["provedAsBuilt"] is True
        assert told["results"][0]["payloadSha256"] == newest.payload


class TestSteps:
    def test_each_has_a_row(self, history):
        steps = list(patch_log.log(history.chain()))
        assert patches.steps(steps)["totals"] == {"generations": 3, "withFindings": 0}
        text = shown(patches.show_steps, steps)
        assert all(f"https://github.com/{team}" in text for team in TEAMS)
        assert "3 generations: 0 with findings" in text

    def test_what_is_not_believed_is_not_shown_as_if(self, newest):
        steps = [Step(3, hostile(newest), (FINDING,)), Step(2, None, (FINDING,))]
        told = patches.steps(steps)
        assert told["totals"] == {"generations": 2, "withFindings": 2}
        assert [result["generation"] is None for result in told["results"]] == [False, True]
        text = shown(patches.show_steps, steps)
        assert "not to be believed" in text
        assert text.count("ROLLBACK") == 2

    def test_a_generation_that_was_signed_all_the_same_is_told(self, newest):
        said = replace(newest.said, unattributed=Unattributed(7, (Difference("removed", "x-1-0.conda"),)))
        text = shown(patches.show_steps, [Step(3, replace(newest, said=said))])
        assert "generation 3 was signed although something else was served:\n  7 differences" in text
        assert "    removed/x-1-0.conda\n    ...\n" in text
        assert "although" not in shown(patches.show_steps, [Step(3, newest)])

    def test_one_is_one(self, newest):
        assert "1 generation: 0 with findings" in shown(patches.show_steps, [Step(3, newest)])


class TestBlame:
    @pytest.fixture
    def blamed(self, history):
        return history.blame()

    def test_the_document(self, blamed):
        told = patches.blame(blamed, "noarch")
        assert json.loads(json.dumps(told)) == told
        assert (told["file"], told["removed"], told["newest"]) == (NAME, False, 3)
        assert [key["key"] for key in told["keys"]] == ["constrains", "depends", "license"]
        assert told["keys"][1]["history"][-1] == {
            "generation": 3,
            "from": {"present": True, "value": ["python >=3"]},
            "to": {"present": True, "value": ["python >=3.9"]},
        }
        assert patches.not_blamed(FILE, "noarch").keys() == told.keys()

    def test_absent_is_not_null(self, blamed, newest):
        line = Line("license", (Touch(newest, None, Value(None)),))
        told = patches.blame(replace(blamed, lines=(line,)), "noarch")["keys"][0]
        assert told["asBuilt"] == {"present": False, "value": None}
        assert told["served"] == {"present": True, "value": None}
        text = shown(patches.show_blame, replace(blamed, lines=(line,)), history=False)
        assert "- (absent)" in text
        assert "+ null" in text

    def test_the_last_change_is_from_as_built_and_the_history_step_by_step(self, blamed):
        short, long = (shown(patches.show_blame, blamed, history=history) for history in (False, True))
        assert '- ["python"]\n    + ["python >=3.9"]' in short
        assert '- ["python >=3"]\n    + ["python >=3.9"]' in long
        assert "generation 3, 2026-03-03T12:0" in short

    def test_hostile_keys_and_values_are_escaped(self, blamed, newest):
        """A patch whose author hopes for a terminal."""
        touches = (Touch(hostile(newest), Value([EVIL]), Value({EVIL: EVIL})),)
        found = replace(blamed, lines=(Line(EVIL, touches),))
        shown(patches.show_blame, found, history=True)
        told = json.dumps(patches.blame(found, "noarch"))
        assert "\x1b" not in told

    def test_a_removal(self, history):
        history.index({"remove": [NAME]})
        history.attest()
        blamed = history.blame()
        told = patches.blame(blamed, "noarch")
        assert (told["removed"], told["served"]) == (True, None)
        text = shown(patches.show_blame, blamed, history=False)
        assert f"{NAME}: removed, as of generation 4" in text
        assert "removed by\n      generation 4" in text

    def test_what_was_withdrawn(self, history):
        history.index({"packages.conda": {}})
        history.attest()
        assert "no key differs from the record as built" in shown(patches.show_blame, history.blame(), history=False)

    def test_the_source_is_shown_where_it_was_said(self, blamed, newest):
        source = Source("git+https://github.com/patches/one", "0123456789abcdef" * 2 + "01234567")
        touches = (Touch(replace(newest, said=replace(newest.said, source=source)), None, Value(1)),)
        text = shown(patches.show_blame, replace(blamed, lines=(Line("license", touches),)), history=False)
        assert "from git+https://github.com/patches/one@0123456789ab" in text


class TestChecked:
    def test_what_is_in_order(self, history):
        checked = patch_verify.verify(history.chain(), history.inputs(), now=history.now)
        assert patches.checked([checked])["totals"] == {"subdirs": 1, "findings": 0}
        assert "3 records: all of it is attested" in shown(patches.show_checked, [checked])

    @pytest.mark.parametrize(("count", "words"), [(1, "1 finding\n"), (2, "2 findings\n")])
    def test_what_is_wrong_is_listed(self, newest, count, words):
        checked = patch_verify.Checked(hostile(newest), 1, (FINDING,) * count)
        told = patches.checked([checked])
        assert told["totals"] == {"subdirs": 1, "findings": count}
        assert [finding["code"] for finding in told["results"][0]["findings"]] == ["ROLLBACK"] * count
        text = shown(patches.show_checked, [checked])
        assert f"1 record: {words}" in text
        assert text.count("ROLLBACK") == count
