"""Without memory, nothing is known and nothing is alleged."""

from datetime import UTC, datetime

from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.transport.file_memory import FileMemory
from condattest.transport.memory import Generation, Memory, NoMemory, Served

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CHANNEL = Channel("https://example.org/c")
SERVED = Served(
    subdir="noarch",
    file=PackageFile.parse("a-1-0.conda"),
    artifact=Sha256("1" * 64),
    sidecar=Sha256("2" * 64),
    elements=frozenset({Sha256("3" * 64)}),
)


def test_no_memory_knows_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory: Memory = NoMemory()
    memory.remember(CHANNEL, SERVED, SERVED.elements, "somebody", now=NOW)
    memory.remember_generation(CHANNEL, "x", Generation(2, Sha256("4" * 64)), now=NOW)
    assert memory.judge(CHANNEL, SERVED) == ()
    assert memory.judge_generation(CHANNEL, "x", Generation(1, Sha256("4" * 64))) == ()
    assert memory.newest(CHANNEL, "x") is None
    assert memory.attested(CHANNEL, "a") is None
    assert memory.first_seen(CHANNEL, SERVED.artifact, now=NOW) is None
    assert memory.save() == ()
    assert list(tmp_path.iterdir()) == []


def test_both_memories_are_one_interface(tmp_path):
    memories: list[Memory] = [NoMemory(), FileMemory(tmp_path)]
    for memory in memories:
        assert memory.judge(CHANNEL, SERVED) == ()
