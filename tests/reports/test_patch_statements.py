"""The parts of a statement as people and machines read them: what nobody signed is never told like what was."""

import io
import json

from rich.console import Console

from condattest.formats.patch_descriptors import Input, InputSigner, Source
from condattest.formats.patch_differences import Difference, Unattributed
from condattest.model.artifact import Sha256
from condattest.reports import patch_statements

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_source_says_who_states_it():
    author, package = Source("git+https://x", COMMIT), Source("git+https://x", COMMIT, "package", "github_1")
    assert patch_statements.source(None) is None
    assert patch_statements.source(author) == {
        "uri": "git+https://x", "commit": COMMIT, "statedBy": "author", "flowRunId": None,
    }  # fmt: skip
    told = patch_statements.source(package)
    assert (told["statedBy"], told["flowRunId"]) == ("package", "github_1")
    assert patch_statements.shown_source(None) == "-"
    assert patch_statements.shown_source(author) == "git+https://x@0123456789ab"
    assert patch_statements.shown_source(package) == "git+https://x@0123456789ab (says the package)"


def test_an_input_has_its_signers():
    value = Input("x.sigs", Sha256("0" * 64), (InputSigner("https://me\x1b", "https://issuer"),))
    told = patch_statements.input_(value)
    assert told == {
        "name": "x.sigs",
        "sha256": "0" * 64,
        "signers": [{"identity": "https://me\\x1b", "issuer": "https://issuer"}],
    }


def test_differences_are_listed_up_to_a_screenful():
    made = Unattributed.of([Difference("packages", f"x{number:02}-1-0.tar.bz2", ("depends",)) for number in range(30)])
    told = patch_statements.unattributed(made)
    assert json.loads(json.dumps(told)) == told == made.json
    assert patch_statements.unattributed(None) is None
    out = io.StringIO()
    patch_statements.show_unattributed(Console(file=out, width=200), made)
    lines = out.getvalue().splitlines()
    assert lines[0] == "  30 differences to what is served:"
    assert lines[1] == "    packages/x00-1-0.tar.bz2 (depends)"
    assert (len(lines), lines[-1]) == (22, "    ...")
    patch_statements.show_unattributed(Console(file=out), None)
    assert len(out.getvalue().splitlines()) == 22
