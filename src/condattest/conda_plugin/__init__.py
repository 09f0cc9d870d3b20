"""conda's hooks: `conda attest`, and a gate in front of what conda installs.

Owns the functions that conda calls, and nothing else: `after_solve` and `before_link` are in `gate`, conda's own
settings become ours in `surroundings`. conda loads this module at every start, `conda list` included, so it imports
nothing of its own here, and each function imports what it needs when it is called.

Two hooks are needed. After the solve nothing is downloaded yet, and packages are known by URL, digest and record. But
`@EXPLICIT` lists and package files pass no solver: those, and the extracted files of all, are looked at before linking.
A hook that hands conda's archives over for verification (`conda_package_verifiers`, proposed) would call the same two
operations of `install_gate`.

Spec: https://docs.conda.io/projects/conda/en/stable/dev-guide/plugins/index.html
"""

from collections.abc import Iterator
from typing import Any

from conda.plugins import hookimpl, types


@hookimpl
def conda_subcommands() -> Iterator[Any]:
    """Mount the command line: `conda attest verify ...` is `condattest verify ...`, exit codes included."""
    yield types.CondaSubcommand(name="attest", summary="Sign and verify attestations of packages.", action=_attest)


@hookimpl
def conda_settings() -> Iterator[Any]:
    """Declare `plugins: {condattest_mode, condattest_policy, condattest_trusted_root}`."""
    from conda.common.configuration import PrimitiveParameter

    for name, description in {
        "condattest_mode": "What becomes of packages that the policy does not accept: off, report or require. "
        "By default report where there is a policy, and off where there is none.",
        "condattest_policy": "The policy file; by default CONDATTEST_POLICY, the user's or the system's.",
        "condattest_trusted_root": "A trusted_root.json instead of the public Sigstore's.",
    }.items():
        parameter = PrimitiveParameter("", element_type=str)
        yield types.CondaSetting(name=name, description=description, parameter=parameter)


@hookimpl
def conda_post_solves() -> Iterator[Any]:
    """Judge what a solver chose, before anything is downloaded."""
    yield types.CondaPostSolve(name="condattest", action=_after_solve)


@hookimpl
def conda_pre_transaction_actions() -> Iterator[Any]:
    """Judge what is about to be linked, by its files."""
    from condattest.conda_plugin.transaction import BeforeLink

    yield types.CondaPreTransactionAction(name="condattest", action=BeforeLink)


@hookimpl(optionalhook=True)
def conda_health_checks() -> Iterator[Any]:
    """Judge what an environment lists, for `conda doctor`."""
    yield types.CondaHealthCheck(
        name="condattest", action=_doctor, summary="Check that the policy accepts the attestations of all packages"
    )


@hookimpl(optionalhook=True)
def conda_error_hints(error: Exception) -> Iterator[Any]:
    """Say how to see more of a package that was refused."""
    package = getattr(error, "condattest_package", "")
    if package:
        text = f"See what was signed, and by whom: conda attest verify {package}"
        yield types.CondaErrorHint(text=text, hint_code="condattest_verify")


def _attest(arguments: tuple[str, ...]) -> int:
    from condattest.cli.main import run

    return run(arguments)


def _after_solve(repodata_fn: str, unlink_precs: tuple[Any, ...], link_precs: tuple[Any, ...]) -> None:
    if link_precs:
        from condattest.conda_plugin.gate import after_solve

        after_solve(link_precs)


def _doctor(prefix: str, verbose: bool) -> None:
    from condattest.conda_plugin.gate import doctor

    doctor(prefix, verbose=verbose)
