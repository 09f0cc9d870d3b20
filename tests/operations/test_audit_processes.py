"""Sidecars are verified here until other processes are there, and then there, with the same outcomes."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.operations.audit_processes import Verifying
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests.audited_channel import attacker, sandbox, trust
from tests.operations.unverified import Origin, payloads, three_bundles, unverified


@pytest.fixture
def bundles():
    return three_bundles()


@pytest.fixture
def another_thread():
    """A thread that may hold locks."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def signal_handled():
    """The command line ends well at a signal, which the processes that it has must not do."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(params=["alone", "among threads"])
def verifying(request, tmp_path):
    if request.param == "among threads":
        request.getfixturevalue("another_thread")
    (tmp_path / "noarch").mkdir()
    made = Verifying(StoreOrigin(Directory(tmp_path)), [trust()], None, jobs=2, worth=2)
    yield made
    made.close()


def test_other_processes_go_on_where_this_one_began(tmp_path, bundles, verifying, signal_handled):
    """A killed process is told, and nothing passes because of it."""
    good = sidecar.dump(bundles[:2])
    (tmp_path / "noarch" / "x.sigs").write_bytes(good)
    strange = sidecar.dump([attacker().sign_statement(b"{}", github("me/x"))])
    task = [
        unverified("noarch/x.sigs", good, given=False),
        unverified("noarch/no.sigs", good, given=False),
        unverified("noarch/strange.sigs", strange),
    ]
    assert verifying.reads
    begun = []
    for _ in range(20):
        verifying.expect(len(task))
        begun.append(verifying.submit(task))
    outcomes = begun[0].result(timeout=60)
    assert payloads(outcomes) == [[b'{"n": 0}', b'{"n": 1}'], [], []]
    assert outcomes[1].problem.code is Code.NET_NOT_FOUND
    assert [each.code for each in outcomes[2].failures] == [Code.CRYPTO]
    assert all(each.result(timeout=60) == outcomes for each in begun)
    deadline = time.monotonic() + 60
    while verifying._started is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert verifying.submit(task).result(timeout=60) == outcomes
    for process in list(verifying._started._processes.values()):
        process.terminate()
    with pytest.raises(BrokenProcessPool):
        [verifying.submit(task).result(timeout=60) for _ in range(100)]


def test_no_process_is_started_for_a_few(tmp_path, bundles):
    verifying = Verifying(StoreOrigin(Directory(tmp_path)), [trust()], None, jobs=2, worth=2)
    task = [unverified(f"noarch/{number}", sidecar.dump(bundles)) for number in range(2)]
    verifying.expect(len(task))
    assert len(payloads(verifying.submit(task).result(timeout=60))) == 2
    assert verifying._starting is None
    verifying.close()


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no SIGKILL")
@pytest.mark.parametrize("threads", [0, 1])
def test_processes_end_with_the_one_that_has_them(tmp_path, bundles, threads):
    """An audit that the system kills for its memory must not leave processes behind."""
    (tmp_path / "root.json").write_text(sandbox().trusted_root_json())
    (tmp_path / "x.sigs").write_bytes(sidecar.dump(bundles))
    # They have its standard output too: it is read to its end only when all of them are gone.
    done = subprocess.run([sys.executable, "-c", _KILLED, tmp_path, str(threads)], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b"verified\n"


_KILLED = """
import hashlib, os, signal, sys, threading
from pathlib import Path
from condattest.operations.audit_processes import Verifying
from condattest.operations.audit_workers import Unverified
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin

if __name__ == "__main__":
    root, threads = Path(sys.argv[1]), int(sys.argv[2])
    for _ in range(threads):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    trust = TrustRoot.from_file(root / "root.json")
    digest = hashlib.sha256((root / "x.sigs").read_bytes()).hexdigest()
    verifying = Verifying(StoreOrigin(Directory(root)), [trust], None, jobs=2, worth=0)
    verifying.expect(1)
    while verifying._started is None:
        pass
    [outcome] = verifying.submit([Unverified("x.sigs", digest, (trust.sha256,), None)]).result()
    assert len(outcome.evidence) == 3
    print("verified", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_waits_at_the_end_is_not_begun(bundles):
    verifying = Verifying(Origin(), [trust()], None, jobs=1)
    begun = [verifying.submit([unverified("x", sidecar.dump(bundles))]) for _ in range(50)]
    verifying.close()
    assert not all(each.done() for each in begun)
