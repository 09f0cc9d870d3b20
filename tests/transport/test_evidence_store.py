"""What a bundle proved is found again under the same bundle, root and versions, and under no others."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from condattest.formats import evidence as codec
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from condattest.transport import evidence_store
from condattest.transport.evidence_store import EvidenceStore
from tests.rehearsal import REPOSITORY, attacker, payload_for, sandbox, trust

ARTIFACT = Artifact(PackageFile.parse("numbers-1.0-0.conda"), Sha256("a" * 64))


def proved():
    return authenticate(sandbox().sign_statement(payload_for(ARTIFACT), github(REPOSITORY)), trust())


@pytest.fixture(scope="module")
def one():
    return proved()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "evidence.sqlite"


def found(path, value, root=None):
    with EvidenceStore(path) as store:
        return store.get(value.bundle_sha256, root or value.trust_root_sha256)


def kept(path, *values):
    with EvidenceStore(path) as store:
        for value in values:
            store.put(value)
    return path


def test_what_was_put_is_there_the_next_time(path, one):
    assert found(kept(path, one), one) == one
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_trust_root_has_proved_nothing(path, one):
    other = Sha256("c" * 64)
    assert found(kept(path, one), one, other) is None
    assert attacker().trusted_root_json() != sandbox().trusted_root_json()


def test_another_version_has_proved_nothing(path, one, monkeypatch):
    kept(path, one)
    monkeypatch.setattr(evidence_store, "__version__", "0.0.1")
    assert found(path, one) is None


def test_a_row_under_another_bundle_s_key_is_not_believed(path, one):
    """Somebody copies a good bundle's row to the key of a bad one."""
    kept(path, one)
    bad = Sha256("d" * 64)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE evidence SET bundle = ?", (bytes.fromhex(bad),))
    database.close()
    with EvidenceStore(path) as store:
        assert store.get(bad, one.trust_root_sha256) is None


@pytest.mark.parametrize("damage", [b"", b"no database" * 500])
def test_a_damaged_store_is_begun_anew(path, one, damage):
    kept(path, one).write_bytes(damage)
    assert found(path, one) is None
    assert found(kept(path, one), one) == one


@pytest.mark.parametrize("damage", [b"", b"\x80", "text", 5], ids=repr)
def test_a_damaged_row_proves_nothing(path, one, damage):
    kept(path, one)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE evidence SET evidence = ?", (damage if damage else codec.dump(one)[:-5],))
    database.close()
    assert found(path, one) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system has no owners of files")
def test_a_file_that_others_can_write_to_is_not_used(path, one):
    kept(path, one).chmod(0o666)
    with EvidenceStore(path) as store:
        assert not store.is_kept
        assert store.get(one.bundle_sha256, one.trust_root_sha256) is None
        store.put(one)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system has no owners of files")
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_folder_that_others_can_write_to_is_not_used(path, one, mode):
    """Somebody else puts `evidence.sqlite-journal` there, and SQLite writes what it says into the database."""
    kept(path, one)
    path.parent.chmod(mode)
    assert found(path, one) is None
    with EvidenceStore(path.with_name("other.sqlite")) as store:
        assert not store.is_kept
    assert not path.with_name("other.sqlite").exists()


def test_a_symbolic_link_is_not_followed(path, tmp_path, one):
    elsewhere = kept(tmp_path / "elsewhere.sqlite", one)
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    with EvidenceStore(path) as store:
        assert not store.is_kept


def test_a_folder_that_cannot_be_made_means_no_store(tmp_path, one):
    (tmp_path / "file").write_text("")
    with EvidenceStore(tmp_path / "file" / "evidence.sqlite") as store:
        store.put(one)
        assert not store.is_kept


def test_threads_and_several_stores_lose_nothing(path):
    values = [proved() for _ in range(12)]
    with EvidenceStore(path) as first, EvidenceStore(path) as second, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: (first, second)[pair[0] % 2].put(pair[1]), enumerate(values)))
    with EvidenceStore(path) as store:
        assert all(store.get(value.bundle_sha256, value.trust_root_sha256) == value for value in values)


def test_what_a_sidecar_holds_is_known_where_all_of_it_is(path, one):
    two = proved()
    whole, part, unknown = Sha256("1" * 64), Sha256("2" * 64), Sha256("3" * 64)
    root = one.trust_root_sha256
    with EvidenceStore(path) as store:
        store.put(one)
        store.put(two)
        store.put_sidecar(whole, root, [two.bundle_sha256, one.bundle_sha256])
        store.put_sidecar(part, root, [one.bundle_sha256, Sha256("4" * 64)])
    with EvidenceStore(path) as store:
        assert store.known([whole, part, unknown], root) == {whole: (two, one)}
        assert store.known([whole], Sha256("c" * 64)) == {}
        assert store.known([], root) == {}


def test_a_sidecar_s_row_that_somebody_made_proves_nothing(path, one):
    """A bad bundle's digest with a good one's evidence."""
    sidecar, bad = Sha256("1" * 64), Sha256("d" * 64)
    with EvidenceStore(path) as store:
        store.put(one)
        store.put_sidecar(sidecar, one.trust_root_sha256, [bad])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE evidence SET bundle = ?", (bytes.fromhex(bad),))
    database.close()
    with EvidenceStore(path) as store:
        assert store.known([sidecar], one.trust_root_sha256) == {}


def test_several_are_found_as_each_is_alone(path, one):
    """A row under another bundle's key proves nothing of that bundle."""
    other = proved()
    kept(path, one, other)
    with EvidenceStore(path) as store:
        asked = [one.bundle_sha256, Sha256("b" * 64), other.bundle_sha256]
        assert store.several(asked, one.trust_root_sha256) == {one.bundle_sha256: one, other.bundle_sha256: other}
        assert store.several(asked, Sha256("c" * 64)) == store.several([], one.trust_root_sha256) == {}
    with sqlite3.connect(path) as database:
        data = codec.dump(other)
        database.execute("UPDATE evidence SET evidence = ?", (data,))
    with EvidenceStore(path) as store:
        assert store.several(asked, one.trust_root_sha256) == {other.bundle_sha256: other}


def test_a_file_of_another_layout_is_begun_anew(path, one):
    path.parent.mkdir(mode=0o700)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE evidence (bundle BLOB PRIMARY KEY, evidence BLOB)")
        database.execute("INSERT INTO evidence VALUES ('a', 'b')")
    database.close()
    path.chmod(0o600)
    assert found(kept(path, one), one) == one


def test_putting_again_leaves_what_sidecars_hold(path, one):
    sidecar, root = Sha256("1" * 64), one.trust_root_sha256
    with EvidenceStore(path) as store:
        store.put(one)
        store.put_sidecar(sidecar, root, [one.bundle_sha256])
    for _ in range(2):
        kept(path, proved(), one)
    with EvidenceStore(path) as store:
        assert store.known([sidecar], root) == {sidecar: (one,)}


def test_facts_are_known_of_a_sidecar_with_one_bundle(path, one):
    two, root = proved(), one.trust_root_sha256
    single, double, unknown = Sha256("1" * 64), Sha256("2" * 64), Sha256("3" * 64)
    with EvidenceStore(path) as store:
        store.put(one)
        store.put(two)
        store.put_sidecar(single, root, [one.bundle_sha256])
        store.put_sidecar(double, root, [one.bundle_sha256, two.bundle_sha256])
    with EvidenceStore(path) as store:
        assert store.facts([single, double, unknown], root) == {single: codec.parse_facts(codec.dump_facts(one))}
        assert store.facts([single], Sha256("c" * 64)) == store.facts([], root) == {}


@pytest.mark.parametrize("column", ["bundle", "root"])
def test_facts_under_another_key_are_none(path, one, column):
    sidecar, other = Sha256("1" * 64), Sha256("d" * 64)
    kept(path, one)
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE evidence SET {column} = ?", (bytes.fromhex(other),))
    database.close()
    bundle = other if column == "bundle" else one.bundle_sha256
    root = other if column == "root" else one.trust_root_sha256
    with EvidenceStore(path) as store:
        store.put_sidecar(sidecar, root, [bundle])
    with EvidenceStore(path) as store:
        assert store.facts([sidecar], root) == {}


@pytest.mark.parametrize("damage", [b"no facts", "text", 5])
def test_damaged_facts_are_none(path, one, damage):
    sidecar, root = Sha256("1" * 64), one.trust_root_sha256
    with EvidenceStore(path) as store:
        store.put(one)
        store.put_sidecar(sidecar, root, [one.bundle_sha256])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE facts SET facts = ?", (damage,))
    database.close()
    with EvidenceStore(path) as store:
        assert store.facts([sidecar], root) == {}
        assert store.known([sidecar], root) == {sidecar: (one,)}
