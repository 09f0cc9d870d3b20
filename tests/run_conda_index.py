"""Run the real conda-index on a channel: `python run_conda_index.py ARGUMENTS`.

It imports conda for two names alone, and conda is on no registry. Where conda is not importable, they are provided.
`current_repodata.json` needs all of conda: without it, `--no-current-repodata` must be among the arguments.
"""

import sys
import types
from importlib.util import find_spec


def provide_names() -> None:
    from rattler import Version

    platforms = ("noarch", "linux-32", "linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
    names = {
        "conda": {},
        "conda.base": {},
        "conda.base.constants": {"PLATFORM_DIRECTORIES": platforms},
        "conda.models": {},
        "conda.models.version": {"VersionOrder": Version},
    }
    for name, content in names.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module


def prepare() -> None:
    """Make conda-index importable."""
    if "conda" not in sys.modules and find_spec("conda") is None:
        provide_names()


if __name__ == "__main__":
    prepare()
    from conda_index.cli import cli

    cli()
