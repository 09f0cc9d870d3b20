"""The starter loads as it is, and accepts nobody until a signer is filled in."""

import pytest

from condattest.model.channel import Channel
from condattest.model.verdict import Accepted, Rejected
from condattest.policy import load
from condattest.policy.decide import decide
from condattest.policy.starter import PLACEHOLDER, starter
from tests.policy.made_evidence import CHANNEL, NOW, ZLIB, github, published


@pytest.mark.parametrize("url", ["https://prefix.dev/x", "file:///srv/a'b", "https://conda.anaconda.org/c/label/dev"])
def test_it_loads(url):
    channel = Channel.parse(url)
    policy = load.parse(starter(channel).encode(), where="starter", now=NOW)
    assert policy.rules[0].channel == channel


def test_the_placeholder_accepts_nobody():
    policy = load.parse(starter(CHANNEL).encode(), where="starter", now=NOW)
    for repository_id in ("1", "2"):
        evidence = published(signer=github("mojombo/grit", repository_id=repository_id, trigger="push"))
        assert isinstance(decide(policy, ZLIB, CHANNEL, [evidence], [], now=NOW), Rejected)
    assert PLACEHOLDER in starter(CHANNEL)


def test_what_is_known_is_filled_in():
    text = starter(
        CHANNEL, repository="hunger/octoconda", repository_id=1092908474, workflow=".github/workflows/octoconda.yaml"
    )
    policy = load.parse(text.encode(), where="starter", now=NOW)
    assert isinstance(decide(policy, ZLIB, CHANNEL, [published()], [], now=NOW), Accepted)


@pytest.mark.parametrize(
    "known",
    [
        {"repository": "o/r"},
        {"repository_id": 1},
        {"repository": 'o/r"\n', "repository_id": 1},
        {"workflow": 'x"\n'},
        {"ref": 'main"\n'},
    ],
)
def test_what_no_policy_takes_is_not_written(known):
    with pytest.raises(ValueError, match=r"\w"):
        starter(CHANNEL, **known)


def test_its_commented_examples_load_too():
    lines = starter(CHANNEL).splitlines()
    keep = ("[[patch]]", "channel =", "signers =", "max-age =", "[[channel]]", "url =", "mirrors =", "min-age =")
    bare = [line.removeprefix("# ") if line.removeprefix("# ").startswith(keep) else line for line in lines]
    policy = load.parse("\n".join(bare).encode(), where="starter", now=NOW)
    assert policy.patches[0].channel == CHANNEL
    assert policy.channels[0].mirrors
