"""How often each rule was used, and which never was."""

from condattest.policy import rules
from condattest.policy.usage import Uses
from tests.policy.made_evidence import CHANNEL


def test_uses_are_counted_by_rule():
    signer = rules.EmailSigner(name="a", email="a@b.example", issuer="https://i.example")
    first = rules.Rule(name="rule 1", channel=CHANNEL, package="zlib", signers=(signer,))
    second = rules.Rule(name="rule 2", channel=CHANNEL, package="*", signers=(signer,))
    uses = Uses(rules.Policy(source="p", rules=(first, second)))
    for rule in (second, second, None):
        uses.count(rule)
    assert list(uses.by_rule()) == [(first, 0), (second, 2)]
    assert uses.never() == [first]
    assert uses.without_rule == 1
