"""Each text of a policy has one form, and a wildcard only where one is legal."""

import pytest

from condattest.policy import grammar

GOOD = [
    (grammar.package, ["*", "zlib", "_libgcc_mutex", "r-base", "ruamel.yaml"]),
    (grammar.github_repository, ["o/r", "conda-forge/*", "a/.github"]),
    (grammar.gitlab_repository, ["g/p", "g/sub/p", "g/sub/*"]),
    (grammar.workflow, [".github/workflows/release.yml", ".github/workflows/a b.yaml"]),
    (grammar.config, [".gitlab-ci.yml", "ci/release.yml"]),
    (grammar.ref, ["refs/heads/main", "refs/tags/v1", "refs/tags/*", "refs/heads/a/b"]),
    (
        grammar.build_signer,
        [
            "https://github.com/o/r/.github/workflows/x.yml@refs/tags/v1",
            "https://github.com/o/r/.github/workflows/x.yml@0123456789abcdef0123456789abcdef01234567",
            "https://gitlab.corp.example:8443/g/p//.gitlab-ci.yml@refs/heads/main",
        ],
    ),
    (grammar.issuer, ["https://gitlab.com", "https://oidc.circleci.com/org/1-2", "http://localhost:8080/"]),
    (grammar.email, ["a@b.example"]),
    (grammar.exact_name, ["https://agent.buildkite.com/x", "spiffe://a/b"]),
    (grammar.record_key, ["depends", "run_exports"]),
    (grammar.signer_name, ["octo", "a.b-c_1"]),
    (grammar.trigger, ["push", "workflow_dispatch"]),
    (grammar.runner, ["github-hosted"]),
    (grammar.one_line, ["a reason"]),
]
BAD = [
    (grammar.package, ["", "**", "zl*", "*b", "zlib-1.0-0.conda/", "\uff5alib", "a b"]),
    (
        grammar.github_repository,
        ["*", "**", "*/*", "*/r", "o/r*", "o/**", "o", "o/r/s", "o/..", "./r", "https://github.com/o/r"],
    ),
    (grammar.gitlab_repository, ["*", "*/p", "g/*/p", "g//p", "/g/p", "g/p*", "g/.."]),
    (
        grammar.workflow,
        ["release.yml", ".github/workflows/*.yml", ".github/workflows/../x.yml", ".github/workflows/r.yml2"],
    ),
    (grammar.config, ["/x.yml", "../x.yml", "x.yml@y", "*"]),
    (
        grammar.ref,
        ["main", "refs/heads/*", "refs/*", "refs/tags/v*", "*", "refs/heads/a b", "refs/heads/", "refs/heads/é"],
    ),
    (grammar.build_signer, ["https://github.com/o/r/.github/workflows/x.yml", "https://github.com/o/r/x.yml@*"]),
    (
        grammar.issuer,
        ["gitlab.com", "https://*.example", "https://u:p@example", "https://a.example?x", "ftp://a.example"],
    ),
    (grammar.email, ["a", "*@b.example", "a@b@c", "a b@c", "a@b/c"]),
    (grammar.exact_name, ["*", "https://a/*", " a", "a\nb", ""]),
    (grammar.record_key, ["sha256", "size", "attestations_sha256", "url", "a b", ""]),
    (grammar.signer_name, ["", ".a", "a b", "é"]),
    (grammar.trigger, ["", "*", "push,release"]),
    (grammar.runner, ["", "*"]),
    (grammar.one_line, ["", "a\nb", "\x1b[31m", " ", "x" * 2000]),
]


def _cases(table):
    return [pytest.param(read, text, id=f"{read.__name__}-{text[:30]!a}") for read, texts in table for text in texts]


@pytest.mark.parametrize(("read", "text"), _cases(GOOD))
def test_a_legal_text_is_kept(read, text):
    assert read(text) == text


@pytest.mark.parametrize(("read", "text"), _cases(BAD))
def test_another_text_is_refused_with_what_is_expected(read, text):
    with pytest.raises(ValueError, match=r"\w"):
        read(text)
