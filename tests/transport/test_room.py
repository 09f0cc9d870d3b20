"""A folder of cached files stays within its size: what was not used for longest goes first."""

import os

from condattest.transport.room import Room


def put(room, folder, name, size, used):
    path = folder / name
    path.write_bytes(bytes(size))
    os.utime(path, (used, used))
    room.take(size)


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_the_oldest_go_first_and_some_more_than_needed(tmp_path):
    room = Room(tmp_path, 100)
    for number in range(10):
        put(room, tmp_path, str(number), 10, number)
    assert len(names(tmp_path)) == 10
    put(room, tmp_path, "new", 10, 99)
    assert names(tmp_path) == {str(number) for number in range(2, 10)} | {"new"}


def test_what_is_used_again_stays(tmp_path):
    room = Room(tmp_path, 100)
    put(room, tmp_path, "old", 60, 1)
    put(room, tmp_path, "other", 30, 2)
    os.utime(tmp_path / "old", (3, 3))
    put(room, tmp_path, "new", 20, 4)
    assert names(tmp_path) == {"old", "new"}


def test_what_is_there_already_counts(tmp_path):
    (tmp_path / "before").write_bytes(bytes(95))
    os.utime(tmp_path / "before", (1, 1))
    put(Room(tmp_path, 100), tmp_path, "new", 10, 2)
    assert names(tmp_path) == {"new"}


def test_small_files_count_for_the_least(tmp_path):
    room = Room(tmp_path, 100, least=25)
    for number in range(8):
        put(room, tmp_path, str(number), 1, number)
    assert len(names(tmp_path)) <= 4


def test_what_is_passed_over_is_neither_counted_nor_removed(tmp_path):
    (tmp_path / ".incoming-x").write_bytes(bytes(1_000))
    room = Room(tmp_path, 100, passed_over=".incoming-")
    put(room, tmp_path, "new", 90, 2)
    assert names(tmp_path) == {".incoming-x", "new"}
