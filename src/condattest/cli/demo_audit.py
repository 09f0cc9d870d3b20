"""The last chapter of `condattest demo`: an audit of the mirror, which leaves a page to look at.

Owns `tell`. It calls the same operation as `condattest audit` does, with a policy file that anybody can use again.
"""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from condattest.cli.demo_channel import Scene
from condattest.model.audit import STATUSES, check_of
from condattest.sandbox.identity import Identity

POLICY: Final = "audit.toml"
PAGE: Final = "audit.html"
_EXPECTED: Final = {"accepted": 1, "rejected": 1, "unattested": 1, "undecided": 0}


def tell(scene: Scene, maintainer: Identity, hotfixes: Identity, forgotten: Path) -> None:
    """Tell the chapter; `forgotten` is a package that nobody signed."""
    _add(scene.folder / "mirror" / "noarch", forgotten)
    policy = scene.folder / POLICY
    policy.write_text(_policy(scene, maintainer, hotfixes), "utf-8")
    scene.story.tell(
        "A security team looks at all of the mirror at once",
        f"condattest audit mirror --channel {scene.channel} --policy {POLICY} --report html={PAGE}",
    )
    _audit(scene, policy)


def _add(folder: Path, package: Path) -> None:
    """List a package without an attestation, as an indexer would."""
    data = Path(shutil.copy(package, folder / package.name)).read_bytes()
    index = folder / "repodata.json"
    document = json.loads(index.read_bytes())
    name, version, build = package.name.removesuffix(".conda").rsplit("-", 2)
    record = {"name": name, "version": version, "build": build, "build_number": 0, "depends": [], "subdir": "noarch"}
    digests = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    document["packages.conda"][package.name] = record | digests
    index.write_text(json.dumps(document, sort_keys=True), "utf-8")


def _policy(scene: Scene, maintainer: Identity, hotfixes: Identity) -> str:
    signers = "".join(_signer(name, identity) for name, identity in (("ours", maintainer), ("hotfixes", hotfixes)))
    return f"""version = 1
{signers}
[[rule]]
channel = "{scene.channel}"
package = "*"
signers = ["ours"]

[[patch]]
channel = "{scene.channel}"
signers = ["hotfixes"]
max-age = "7d"
"""


def _signer(name: str, identity: Identity) -> str:
    claims = identity.claims
    return f"""
[signer.{name}]
kind = "github"
repository = "{claims["repository"]}"
repository-id = {claims["repository_id"]}
workflow = ".github/workflows/release.yml"
ref = "refs/heads/main"
"""


def _audit(scene: Scene, policy: Path) -> None:
    from condattest.operations import policy_file
    from condattest.operations.audit import audit
    from condattest.operations.audit_order import Order
    from condattest.operations.audit_verdicts import Terms
    from condattest.reports import audits
    from condattest.transport.directory import Directory
    from condattest.transport.fetch import Fetcher
    from condattest.transport.origin import StoreOrigin

    store = Directory(scene.folder / "mirror")
    required = policy_file.read(policy, now=scene.now).policy
    terms = Terms(channel=scene.channel, trust=scene.trust, policy=required, roots={})
    with Fetcher(offline=True) as fetcher:
        order = Order(origin=StoreOrigin(store), terms=terms, fetcher=fetcher, store=store)
        # Later than the story's beginning: what was signed meanwhile is in force.
        with audit(order, now=datetime.now(UTC)) as found:
            for each in found.results:
                codes = ", ".join(finding.code for finding in each.findings if check_of(finding.code) != "seen-once")
                good = each.status == "accepted"
                scene.story.outcome(f"{each.file}: {each.status} {codes}".rstrip(), good=good, as_expected=True)
            with (scene.folder / PAGE).open("w", encoding="utf-8", newline="\n") as page:
                audits.write("html", found, page)
            counts = ", ".join(f"{found.totals[status]} {status}" for status in STATUSES)
            as_told = dict(found.totals) == _EXPECTED
            scene.story.outcome(f"{counts}; the page is {PAGE}", good=as_told, as_expected=as_told)
