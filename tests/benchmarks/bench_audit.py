"""Auditing a channel of 20,000 packages, against a plain loop over sigstore and other verifiers of the same sidecars.

The number of packages can be given: `AUDITED=2000 python -m tests.benchmarks audit`.
"""

import contextlib
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from condattest.operations.audit import audit
from condattest.operations.audit_order import Order
from condattest.operations.audit_records import Selection
from condattest.operations.audit_verdicts import Terms
from condattest.transport.directory import Directory
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.origin import StoreOrigin
from tests import audited_channel, channels
from tests.benchmarks.bench_index import _own_peak, _repodata

_COUNT = int(os.environ.get("AUDITED", "20000"))
_PLAIN = 4000
"""Sidecars that a plain loop goes over: a loop of a moment would find the machine idle where an audit does not."""
_ASKED = 80
"""Packages whose sidecars py-rattler verifies."""
_LISTED = int(os.environ.get("LISTED", "200000"))
_TIMES = 5
_GARBAGE = {"as a script runs it": (700, 10, 10), "with garbage left alone": (200_000, 20, 20)}
"""How often garbage is looked for: by default, which is most of what such a parse takes; and as the command line does.
The last is in force when the audit runs."""
_CONDA_SIGSTORE = Path(__file__).with_name("run_conda_sigstore.py")
_ROUNDS = 2


def _order(root: Path, store: EvidenceStore | None, *, files: bool = False, jobs: int | None = None, **how) -> Order:
    place = Directory(root)
    terms = Terms(channel=audited_channel.CHANNEL, trust=audited_channel.trust())
    return Order(
        origin=StoreOrigin(place),
        store=place if files else None,
        terms=terms,
        fetcher=None,
        evidence=store,
        jobs=jobs or os.cpu_count() or 1,
        **how,
    )


def _run(order: Order) -> tuple[float, int]:
    began = time.perf_counter()
    with audit(order, now=audited_channel.NOW) as found:
        return time.perf_counter() - began, found.totals["accepted"]


def _processor_time(
    label: str, root: Path, cache: Path, loop: Callable[[], None], count: int
) -> Iterator[tuple[str, float, str]]:
    """The same in processor time, which a busy machine disturbs less: in one process, the better of two runs each."""
    taken, ours = [], []
    for _ in range(_ROUNDS):
        began = time.process_time()
        loop()
        taken.append((time.process_time() - began) / count)
        with EvidenceStore(cache) as store:
            began = time.process_time()
            _, accepted = _run(_order(root, store, jobs=1))
            ours.append((time.process_time() - began) / accepted)
        cache.unlink()
    yield f"{label}: processor time of a bundle, one job", min(ours) * 1e3, f"ms; plain loop {min(taken) * 1e3:.2f} ms"
    yield f"{label}: processor time to the plain loop's", min(ours) / min(taken), "x"


def _first(root: Path, cache: Path, loop: Callable[[], None], count: int) -> tuple[float, float, int]:
    """Seconds of a first audit, and bundles per second of a plain loop: each the better of two, by turns."""
    seconds, rates = [], []
    for _ in range(_ROUNDS):
        cache.unlink(missing_ok=True)
        rates.append(_rate(loop, count))
        with EvidenceStore(cache) as store:
            took, accepted = _run(_order(root, store))
        seconds.append(took)
    rates.append(_rate(loop, count))
    return min(seconds), max(rates), accepted


def _sidecars(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*/pkg-*.sigs")) if path.is_file()][:_PLAIN]


def _rate(loop: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    loop()
    return count / (time.perf_counter() - began)


def _plain_sigstore(paths: list[Path]) -> Callable[[], None]:
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier
    from sigstore.verify.policy import UnsafeNoOp
    from sigstore_models.trustroot.v1 import TrustedRoot as Message

    verifier = Verifier(trusted_root=TrustedRoot(Message.from_json(audited_channel.sandbox().trusted_root_json())))

    def loop() -> None:
        for path in paths:
            for element in msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw]):
                verifier.verify_dsse(Bundle.from_json(bytes(element)), UnsafeNoOp())

    return loop


def _rattler(root: Path, folder: Path) -> float:
    """py-rattler's sidecars per second: it fetches each from a server on loopback, and verifies it."""
    import asyncio

    import rattler
    from rattler import sigstore

    records = json.loads((root / "noarch" / "repodata.json").read_bytes())["packages.conda"]
    names = list(dict.fromkeys(each["name"] for each in records.values() if each["name"].startswith("pkg-")))

    async def every(url: str) -> float:
        policy = sigstore.VerificationPolicy.warn(channel_check=sigstore.ChannelCheck.IGNORE)
        trusted = sigstore.TrustedRoot.from_json(audited_channel.sandbox().trusted_root_json())
        gateway = rattler.Gateway(cache_dir=folder / "rattler")
        found = await gateway.query([rattler.Channel(url)], [rattler.Subdir("noarch")], names[:_ASKED])
        began = time.perf_counter()
        outcomes = [await sigstore.verify_attestation(each, policy, trusted_root=trusted) for each in found[0]]
        took = time.perf_counter() - began
        return sum(each.is_verified for each in outcomes) / took

    with channels.served(root) as url:
        return asyncio.run(every(url))


def _conda_sigstore(label: str, paths: list[Path], folder: Path) -> tuple[str, float, str]:
    """conda-sigstore's bundles per second over the same sidecars, in a process of a Python that has conda.

    Its own loop is timed, without imports: parsing as it does, the signature, and the statement bound to the package.
    """
    from condattest.sandbox import trust

    python = os.environ.get("CONDATTEST_CONDA_PYTHON")
    if not python:
        return "conda-sigstore is not compared: set CONDATTEST_CONDA_PYTHON to a Python that has it and conda", 0.0, ""
    root = audited_channel.sandbox().trusted_root()
    config = trust.trust_config(root, "http://127.0.0.1:1", rekor=1, tsa=True)
    (folder / "config.json").write_text(json.dumps(config))
    names = [path.name.removesuffix(".sigs") for path in paths]
    listed = [
        [str(path), name, audited_channel.digest_of(f"{path.parent.name}/{name}"), audited_channel.CHANNEL.url]
        for path, name in zip(paths, names, strict=True)
    ]
    (folder / "packages.json").write_text(json.dumps(listed))
    command = [python, str(_CONDA_SIGSTORE), str(folder / "config.json"), str(folder / "packages.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        return f"conda-sigstore is not compared: {python} ends with {reason}", 0.0, ""
    version, verified, seconds = done.stdout.split()
    if int(verified) != len(paths):
        raise SystemExit(f"conda-sigstore {version} accepted {verified} of {len(paths)} sidecars")
    return f"{label}: conda-sigstore {version}, one process", len(paths) / float(seconds), "bundles/s"


def _peak(root: Path, cache: Path) -> tuple[int, int]:
    """The peak memory in bytes of a process that audits a channel with kept evidence, and how many packages it saw."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.bench_audit",
        str(root),
        str(cache),
        str(root.parent / "root.json"),
    ]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    peak, count = done.stdout.split()
    return int(peak), int(count)


def _repeated(root: Path, to: Path, times: int) -> None:
    """A channel with every package so many times, under other names; the sidecars are the same files."""
    for subdir in audited_channel.SUBDIRS:
        records = json.loads((root / subdir / "repodata.json").read_bytes())["packages.conda"]
        (to / subdir).mkdir(parents=True)
        more = {}
        for number in range(times):
            for file, record in records.items():
                name = f"{record['name']}.{number}" if number else record["name"]
                copy = f"{name}-{record['version']}-0.conda"
                more[copy] = {**record, "name": name} if number else record
                head = record.get("attestations_sha256")
                if head is not None and (root / subdir / f"{file}.sigs.{head}").exists():
                    os.link(root / subdir / f"{file}.sigs.{head}", to / subdir / f"{copy}.sigs.{head}")
        audited_channel.write_index(to / subdir, dict(sorted(more.items())))


def run() -> Iterator[tuple[str, float, str]]:
    logging.disable(logging.WARNING)
    gc.set_threshold(200_000, 20, 20)  # As the command line does.
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        roots = {}
        for label, how in (("log time", {}), ("log time and TSA token", {"tsa": True})):
            root = folder / label.replace(" ", "-")
            planted = audited_channel.make(root, packages=_COUNT, each=2, **how)
            (folder / "root.json").write_text(audited_channel.sandbox().trusted_root_json())
            paths = _sidecars(root)
            loop = _plain_sigstore(paths)
            cache = folder / f"{root.name}.sqlite"
            first, plain, accepted = _first(root, cache, loop, len(paths))
            rate = accepted / first
            yield f"{label}: plain loop over sigstore, one process", plain, "bundles/s"
            yield f"{label}: first audit, {planted.packages:,} packages", first, "s"
            yield f"{label}: first audit, rate", rate, f"bundles/s with {os.cpu_count()} cores"
            yield f"{label}: first audit to the plain loop", rate / plain, "x"
            yield from _processor_time(label, root, folder / "one.sqlite", loop, len(paths))
            with EvidenceStore(cache) as store:
                again = min(_run(_order(root, store))[0] for _ in range(2))
                files = _run(_order(root, store, files=True))[0]
            yield f"{label}: second audit", again, "s"
            yield f"{label}: first audit to second audit", first / again, "x"
            yield f"{label}: second audit with every file of a store looked at", files, "s"
            roots[label] = root
        # After the audits: it leaves threads behind, with which no process is forked.
        for label, root in roots.items():
            yield f"{label}: py-rattler, one after the other over loopback", _rattler(root, folder), "bundles/s"
            yield _conda_sigstore(label, _sidecars(root)[: 5 * _ASKED], folder)
        peak, count = _peak(root, cache)
        yield f"peak memory, {count:,} packages", peak / 1e6, "MB"
        large = folder / "large"
        _repeated(root, large, 10)
        peak, count = _peak(large, cache)
        yield f"peak memory, {count:,} packages", peak / 1e6, "MB"
        yield from _merged(root, cache)
        yield from _index_only(folder)


def _merged(root: Path, cache: Path) -> list[tuple[str, float, str]]:
    from condattest.operations.audit_merge import merge

    began = time.perf_counter()
    with EvidenceStore(cache) as store, contextlib.ExitStack() as stack:
        parts = [
            stack.enter_context(
                audit(_order(root, store, selection=Selection(part=(number, 4))), now=audited_channel.NOW)
            )
            for number in range(1, 5)
        ]
        joined = merge(parts)
        took = time.perf_counter() - began
        whole = stack.enter_context(audit(_order(root, store), now=audited_channel.NOW))
        same = list(joined.results) == list(whole.results) and joined.totals == whole.totals
        same = same and joined.checks == whole.checks
    return [("4 parts with kept evidence, merged", took, "s; " + ("equal to the whole" if same else "NOT THE WHOLE"))]


def _index_only(folder: Path) -> list[tuple[str, float, str]]:
    root = folder / "listed"
    data = _repodata(_LISTED)
    for number in range(_TIMES):
        (root / f"linux-{number}").mkdir(parents=True)
        (root / f"linux-{number}" / "repodata.json").write_bytes(data.replace(b'"linux-64"', b'"linux-%d"' % number))
    del data
    order = _order(root, None, index_only=True)
    label = f"index-only, {_LISTED * _TIMES:,} records: ratio to msgspec.json.decode"
    ours: list[float] = []
    floors: dict[str, list[float]] = {how: [] for how in _GARBAGE}
    # In turn, and the better of two of each in processor time, so that a busy machine favours nobody.
    for _ in range(2):
        for how, threshold in _GARBAGE.items():
            gc.set_threshold(*threshold)
            floors[how].append(_taken(lambda: _parsed(root)))
        ours.append(_taken(lambda: _run(order)))
    mine = min(ours)
    return [
        (f"{label}, {how}", mine / min(floor), f"x; {mine:.1f} s and {min(floor):.1f} s")
        for how, floor in floors.items()
    ]


def _parsed(root: Path) -> None:
    for number in range(_TIMES):
        msgspec.json.decode((root / f"linux-{number}" / "repodata.json").read_bytes())


def _taken(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    from condattest.signatures.trust_root import TrustRoot

    with EvidenceStore(Path(sys.argv[2])) as kept:
        channel = Directory(Path(sys.argv[1]))
        made = Order(
            origin=StoreOrigin(channel),
            terms=Terms(channel=audited_channel.CHANNEL, trust=TrustRoot.from_file(Path(sys.argv[3]))),
            fetcher=None,
            evidence=kept,
            jobs=1,
        )
        with audit(made, now=audited_channel.NOW) as ended:
            seen = sum(1 for _ in ended.results)
    print(_own_peak(), seen)
