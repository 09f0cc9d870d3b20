"""What the real conda-index imports, imported: for `warm`."""

from tests.run_conda_index import prepare

prepare()

import conda_index.cli  # noqa: E402 (only now can it be imported)
import conda_index.index  # noqa: E402, F401
