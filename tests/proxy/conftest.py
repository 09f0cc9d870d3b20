"""A channel with an attested package in two versions, of which the newer is not attested, and a proxy before it."""

import contextlib
import shutil
from types import SimpleNamespace

import httpx
import pytest

from condattest.model.channel import Channel
from condattest.operations import publish, publish_plan
from condattest.operations.admission import Terms
from condattest.policy import rules
from condattest.transport.directory import Directory
from tests import channels
from tests.proxies import proxied, serving, upstream
from tests.rehearsal import REPOSITORY, a_package, signed, trust

HOME = Channel("https://conda.example/channel")
OLD, NEW, LETTERS = "numbers-1.0-0.conda", "numbers-2.0-0.conda", "letters-1.0-0.conda"


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    """Statements name conda.example, of which what is served on loopback is a mirror."""
    folder = tmp_path_factory.mktemp("proxied")
    root, built = folder / "channel", folder / "built"
    attested = [a_package(built, "letters"), a_package(built, "numbers", depends=["letters"])]
    newer = a_package(built, "numbers", "2.0", depends=["letters"])
    channels.put(root, "noarch", *attested, newer)
    channels.conda_index(root)
    for package in attested:
        signed(package)
    terms = Terms(trust=trust(), policy=rules.for_repository(REPOSITORY), channel=HOME)
    store = Directory(root)
    plans = publish_plan.plan(list(map(str, attested)), store, terms)
    outcomes, _ = publish.publish(plans, store, terms)
    assert [each.problem for each in outcomes] == [None, None]
    assert {package.name for package in (*attested, newer)} == {OLD, NEW, LETTERS}
    return root


@pytest.fixture(scope="session")
def _upstream():
    with upstream() as made:
        yield made


@pytest.fixture(scope="session")
def _switch():
    with serving() as switch:
        yield switch


@pytest.fixture
def channel(_made, _upstream, tmp_path):
    """The channel, served; yields an Upstream."""
    shutil.copytree(_made, tmp_path / "channel")
    _upstream.folder = tmp_path
    _upstream.instead.clear()
    _upstream.asked.clear()
    return _upstream


def policy_for(url, **more):
    """Numbers and letters of the channel, whose mirror is what is served."""
    home = rules.ChannelEntry(url=HOME, mirrors=(Channel(url),))
    signer = rules.GitHubSigner(name="me", repository=REPOSITORY)
    rule = rules.Rule(name="rule", channel=HOME, signers=(signer,), **more)
    return rules.Policy(source="policy.toml", rules=(rule,), channels=(home,))


@pytest.fixture
def proxy(channel, _switch, tmp_path):
    """Put a proxy before the channel, one in a test at a time."""
    with contextlib.ExitStack() as stack:

        def start(**how):
            url = f"{channel.url}/channel"
            how.setdefault("policy", policy_for(url))
            running = stack.enter_context(proxied(_switch, {"mine": Channel(url)}, tmp_path / "cache", **how))
            client = stack.enter_context(httpx.Client(base_url=running.url, timeout=30, trust_env=False))
            return SimpleNamespace(**vars(running), get=client.get, head=client.head, client=client)

        yield start
