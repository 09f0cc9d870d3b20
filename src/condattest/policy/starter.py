"""The commented policy that `policy init` writes for a channel.

Owns `starter`. The text loads as it is and accepts nothing until a signer is filled in: its placeholder names a
repository whose id belongs to another one, so no certificate can ever meet both.
"""

from typing import Final

from condattest.model.channel import Channel
from condattest.policy import grammar

PLACEHOLDER: Final = "OWNER/REPOSITORY"
_PLACEHOLDER_ID: Final = 1  # GitHub's first repository, which is not called that.

_TEXT: Final = """\
# Who may publish packages on {channel}.
# Whatever no rule allows is rejected. Check this file:  condattest policy check FILE
# See why a package is accepted or not:                  condattest policy explain PKG
version = 1

# A signer: all fields must hold, each compared whole; a claim that the certificate lacks is a mismatch.
# kind = "github", "gitlab", "email" (email, issuer) or "generic" (san, issuer).
[signer.publisher]
kind = "github"
repository = "{repository}"
# repository-id or owner-id is mandatory: a name can be taken over, an id cannot. For public repositories:
#   https://api.github.com/repos/{repository}   (id, and owner.id)
# or let `condattest policy learn` take them from a package that you trust.
repository-id = {repository_id}
{workflow}ref = "{ref}"  # for releases from tags: "refs/tags/*"
triggers = ["push", "release", "workflow_dispatch", "schedule"]  # the default; name only those that you use

# A rule: about one package, by its exact name, or about all packages of the channel that have no rule of their own.
[[rule]]
channel = "{channel}"
package = "*"
signers = ["publisher"]  # any of them; threshold = 2 asks for two different ones
# min-age = "24h"        # a cool-down, counted from the signature's verified time

# While a channel is being signed, a rule may report instead of reject, with a reason and an end:
#   action = "report"
#   reason = "signing is being rolled out"
#   expires = 2027-03-31
# and packages that were there before may be accepted by their digests:
#   baseline = ["<64 hex digits>"]

# Who may change index records after packages were built. Without it, patches are not judged, and the verdict says so.
# [[patch]]
# channel = "{channel}"
# signers = ["publisher"]
# max-age = "7d"

# Where the same packages are fetched from, and further targetChannel claims that are accepted.
# [[channel]]
# url = "{channel}"
# mirrors = ["https://mirror.example/{name}"]

# What is never accepted, whoever signed it.
[revoked]
sha256 = []
"""


def starter(
    channel: Channel,
    *,
    repository: str | None = None,
    repository_id: int | None = None,
    workflow: str | None = None,
    ref: str = "refs/heads/main",
) -> str:
    """Write the policy.

    Args:
        channel: The canonical channel.
        repository: `owner/name` on GitHub, where it is known; with its id.
        repository_id: The repository's id.
        workflow: The workflow's path.
        ref: The full ref.

    Raises:
        ValueError: A repository without its id, or an id without its repository; a text that no policy takes.
    """
    if (repository is None) != (repository_id is None):
        raise ValueError("a repository goes with its id (--repository, --repository-id): names can be taken over")
    if repository is not None:
        grammar.github_repository(repository)
    if workflow is not None:
        grammar.workflow(workflow)
    grammar.ref(ref)
    return _TEXT.format(
        channel=channel,
        name=channel.url.rpartition("/")[2],
        repository=repository or PLACEHOLDER,
        repository_id=repository_id or _PLACEHOLDER_ID,
        workflow=f'workflow = "{workflow}"\n' if workflow else '# workflow = ".github/workflows/release.yml"\n',
        ref=ref,
    )
