"""Authors of patches in processes of their own, which sign with bundles that were made before."""

import hashlib
from datetime import UTC, datetime

from condattest.model.channel import Channel
from condattest.operations import patch_attest, patch_cosign, patch_inputs
from condattest.operations.patch_chain import Chain
from condattest.patches import engines
from condattest.policy.patch_signers import Authority
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.origin import StoreOrigin
from condattest.transport.store import open_store

# Not tests.patched_channel, whose sandbox takes time: each process would import it again.
CHANNEL = Channel("https://conda.example/patched")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def attest_all(place: str, root: bytes, bundles: dict[str, bytes]) -> None:
    """Attest noarch's patches as `condattest patch attest --any-signer` does.

    Args:
        place: The store.
        root: The trust root.
        bundles: By the digest of a payload, what signing it gives.
    """
    store = open_store(place)
    origin, trust = StoreOrigin(store), TrustRoot.from_json(root, name="sandbox")
    order = patch_attest.Order(
        store=store,
        chain=Chain(origin, CHANNEL, "noarch", "author", Authority(None, trust.sha256), [trust]),
        packages=origin,
        inputs=patch_inputs.read(origin, "noarch"),
        engine=engines.engine("conda-index"),
        engine_version="0.13.0",
    )
    patch_attest.attest(order, lambda payload: bundles[hashlib.sha256(payload).hexdigest()], now=NOW)


def cosign_all(place: str, root: bytes, bundle: bytes) -> None:
    """Cosign noarch's newest generation as `condattest patch cosign --any-signer` does.

    Args:
        place: The store.
        root: The trust root.
        bundle: What signing it gives.
    """
    store = open_store(place)
    origin, trust = StoreOrigin(store), TrustRoot.from_json(root, name="sandbox")
    order = patch_cosign.Order(
        store=store,
        chain=Chain(origin, CHANNEL, "noarch", "author", Authority(None, trust.sha256), [trust]),
        packages=origin,
        inputs=patch_inputs.read(origin, "noarch"),
    )
    patch_cosign.cosign(order, lambda payload: bundle)
