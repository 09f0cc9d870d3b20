"""What a command needs of its surroundings is set up once, and shows nothing that it should not."""

import logging

from condattest.cli.session import Session
from condattest.cli.settings import Settings
from condattest.model.finding import Code, Finding


def test_notes_go_to_stderr_and_quiet_keeps_them(capsys):
    note = Finding.of(Code.TRUST_ROOT_AGE, "production", refreshed="never")
    Session(Settings()).note(note)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "TRUST-ROOT-AGE" in captured.err
    Session(Settings(quiet=True)).note(note)
    assert capsys.readouterr().err == ""


def test_libraries_are_silent_unless_asked_for(capsys):
    Session(Settings(verbose=1))
    logging.getLogger("sigstore").warning("chatter")
    assert capsys.readouterr().err == ""
    Session(Settings(verbose=2))
    logging.getLogger("sigstore").warning("chatter \x1b[31m eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig")
    shown = capsys.readouterr().err
    assert "chatter" in shown
    assert "\x1b" not in shown
    assert "eyJzdWIi" not in shown


def test_what_is_said_is_escaped(capsys):
    Session(Settings()).say("a\x1b[2Kb")
    assert "\x1b" not in capsys.readouterr().err


def test_the_clock_is_read_once_and_aware():
    session = Session(Settings())
    assert session.now.tzinfo is not None
    assert session.now == session.now
