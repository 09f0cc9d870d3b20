"""decide with a policy of 1,000 exact rules against one of a single rule, on the same evidence."""

from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.policy import load
from condattest.policy.decide import decide
from condattest.policy.rules import Policy
from tests.benchmarks.timing import best, compare
from tests.policy.made_evidence import NOW, github, published

CHANNEL = Channel("https://prefix.dev/github-releases")
_RULES = 1000


def _text(rules: int) -> bytes:
    lines = ["version = 1"]
    for number in range(rules):
        lines += [
            f"[signer.s{number}]",
            'kind = "github"',
            'repository = "hunger/octoconda"',
            "repository-id = 1092908474",
            'workflow = ".github/workflows/octoconda.yaml"',
            'ref = "refs/heads/main"',
            'triggers = ["schedule"]',
            "[[rule]]",
            f'channel = "{CHANNEL}"',
            f'package = "package{number}"',
            f'signers = ["s{number}"]',
        ]
    return "\n".join(lines).encode()


def run() -> list[tuple[str, float, str]]:
    """Time of one decision, the ratio to a single rule's, and the loading of the policy."""
    texts = {count: _text(count) for count in (1, _RULES)}
    policies: dict[int, Policy] = {count: load.parse(text, where="bench", now=NOW) for count, text in texts.items()}
    first, last = ((_artifact(number), policies[count]) for number, count in ((0, 1), (_RULES - 1, _RULES)))
    many, one = compare(_call(*last), _call(*first), number=2000)
    loading = best(lambda: load.parse(texts[_RULES], where="bench", now=NOW), number=1)
    return [
        ("decide, 1,000 exact rules", many * 1e6, "us"),
        ("decide, 1,000 exact rules against 1, ratio", many / one, "x"),
        ("load of 1,000 signers and rules", loading * 1e3, "ms"),
    ]


def _artifact(number: int) -> Artifact:
    return Artifact(PackageFile(f"package{number}", "1.0", "0", ".conda"), Sha256(f"{number:064x}"))


def _call(artifact: Artifact, policy: Policy):
    evidence = [published(artifact, CHANNEL, github())]
    return lambda: decide(policy, artifact, CHANNEL, evidence, [], now=NOW)
