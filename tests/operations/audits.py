"""Audits of made channels, and what they read."""

from dataclasses import dataclass, field
from pathlib import Path

from condattest.model.audit import Audit
from condattest.operations.audit import audit
from condattest.operations.audit_order import Order
from condattest.operations.audit_verdicts import Terms
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests import audited_channel


@dataclass
class Counted:
    """An origin that says what was read of it, and can fail for some paths."""

    inner: StoreOrigin
    read_paths: list[str] = field(default_factory=list)
    fail: object = None

    @property
    def name(self):
        return self.inner.name

    def read(self, path, limit):
        self.read_paths.append(path)
        if self.fail is not None:
            self.fail(path)
        return self.inner.read(path, limit)

    def read_fresh(self, path, limit):
        return self.read(path, limit)

    def stream(self, path, limit):
        return self.inner.stream(path, limit)

    def folders(self):
        return self.inner.folders()

    @property
    def sidecars(self) -> list[str]:
        return [path for path in self.read_paths if ".sigs" in path]


def order(root: Path, **how) -> Order:
    """An order about a made channel; `files=False` takes it for one behind a URL."""
    place = Directory(root)
    files, terms = how.pop("files", True), how.pop("terms", {})
    settings = {
        "origin": StoreOrigin(place),
        "store": place if files else None,
        "terms": Terms(**({"channel": audited_channel.CHANNEL, "trust": audited_channel.trust()} | terms)),
        "fetcher": None,
        "jobs": 1,
    }
    return Order(**(settings | how))


def run(given: Order, **how):
    return audit(given, **({"now": audited_channel.NOW} | how))


def by_code(found: Audit) -> dict[str, set[str]]:
    """By code, the packages that have such a finding."""
    places: dict[str, set[str]] = {}
    for each in found.results:
        for finding in each.findings:
            places.setdefault(finding.code.value, set()).add(f"{each.subdir}/{each.file}")
    return places
