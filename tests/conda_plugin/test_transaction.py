"""conda's action: it returns errors, and does its work where conda calls no `verify`."""

from tests.conda_installs import run_python

CODE = """
from conda import CondaError
from condattest.conda_plugin import gate
from condattest.conda_plugin.transaction import BeforeLink

def refuse(precs):
    asked.append(precs)
    if refusing:
        raise CondaError("refused")

asked, refusing, gate.before_link = [], True, refuse
action = BeforeLink(link_precs=[1, 2])
assert isinstance(action.verify(), CondaError) and not action.verified
try:
    action.execute()
except CondaError:
    pass
else:
    raise AssertionError("executed")
refusing = False
action = BeforeLink(link_precs=[1, 2])
assert action.verify() is None and action.verified
before = len(asked)
action.execute()
action.reverse()
action.cleanup()
assert len(asked) == before and asked[0] == (1, 2), asked
"""


def test_nothing_is_executed_that_was_not_verified(python):
    done = run_python(python, CODE)
    assert done.returncode == 0, done.stderr
