"""conda-sigstore's own verification of sidecars, timed by itself: run by a Python that has conda and conda-sigstore.

    python run_conda_sigstore.py trust_config.json packages.json

`packages.json` is a list of [sidecar, file name, sha256, channel]. Prints the version, how many were verified, and the
seconds of the better of two rounds. Imports and the first bundle, which loads the rest of sigstore, are left out.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from conda_sigstore.evidence import VerificationStatus
from conda_sigstore.transport import SidecarTransport
from conda_sigstore.verification import SigstoreVerifier, verify_bundles


def main(config: str, packages: str) -> None:
    verifier = SigstoreVerifier(offline=True, trust_config=Path(config))

    def good(path: str, name: str, sha256: str, channel: str) -> bool:
        sidecar = SidecarTransport.parse(Path(path).read_bytes())
        bound = {"artifact_name": name, "artifact_sha256": sha256, "channel": channel}
        return verify_bundles(sidecar, verifier=verifier, **bound).status is VerificationStatus.VERIFIED

    listed = json.loads(Path(packages).read_bytes())
    good(*listed[0])
    count, taken = 0, []
    for _ in range(2):
        began = time.perf_counter()
        count = sum([good(*each) for each in listed])
        taken.append(time.perf_counter() - began)
    print(version("conda-sigstore"), count, min(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
