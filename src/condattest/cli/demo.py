"""`condattest demo`: the whole story in one command, offline, on the built-in sandbox.

Owns the story. Each step calls the same operation as its verb does, and checks that it came out as told: a demo that
ends otherwise exits 1.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.text import Text

from condattest.cli import demo_audit, demo_channel
from condattest.cli.session import Session
from condattest.cli.settings import Command, Settings, pass_settings
from condattest.errors import CondattestError, Misuse
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected, Verdict
from condattest.reports import documents
from condattest.reports.plain import plain
from condattest.reports.sentences import sentence

if TYPE_CHECKING:
    from condattest.policy.rules import Policy
    from condattest.signatures.trust_root import TrustRoot

CHANNEL: Final = Channel("https://conda.example/demo")
REPOSITORY: Final = "demo-org/packages"
ATTACKER: Final = "mallory/packages"


@dataclass(slots=True)
class Story:
    """The steps that were told, and whether each came out as it should."""

    console: Console | None
    steps: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, title: str, command: str | None = None) -> None:
        """Begin a step."""
        self.steps.append({"step": title, "command": command, "outcome": None, "asExpected": True})
        if self.console is not None:
            self.console.print(Text(f"\n{len(self.steps)}. {title}", style="bold"))
            if command:
                self.console.print(Text(f"   $ {command}", style="cyan"))

    def outcome(self, text: str, *, good: bool, as_expected: bool) -> None:
        """Tell how the step came out."""
        self.steps[-1].update(outcome=plain(text), asExpected=as_expected)
        if self.console is not None:
            self.console.print(Text(f"   {plain(text)}", style="green" if good else "red"))
            if not as_expected:
                self.console.print(Text("   this is not what the demo expected", style="bold red"))

    def verdict(self, verdict: Verdict, *, code: Code | None) -> None:
        """Tell a verdict; `code` is the finding that was expected, None an acceptance."""
        match verdict:
            case Accepted(rule=rule, evidence=evidence):
                times = ", ".join(f"{documents.time(each.at)} ({each.source})" for each in evidence[0].times)
                text = f"accepted by {rule}: signed by {evidence[0].signer}, at {times}"
                self.outcome(text, good=True, as_expected=code is None)
            case Rejected(findings=findings):
                text = f"rejected: {findings[0].code}: {sentence(findings[0])}"
                self.outcome(text, good=False, as_expected=findings[0].code is code)
            case other:
                text = f"undecided: {sentence(other.findings[0])}"
                self.outcome(text, good=False, as_expected=False)

    @property
    def went_well(self) -> bool:
        """Whether every step came out as expected."""
        return all(step["asExpected"] for step in self.steps)


@dataclass(slots=True)
class _Stage:
    """What the steps share."""

    session: Session
    story: Story
    folder: Path

    def attest(self, paths: list[Path], token: str, trust: "TrustRoot") -> None:
        """Sign packages as `condattest attest` does."""
        from condattest.operations import attest
        from condattest.signatures.identity import Token

        orders = attest.prepare(paths, force=True)
        made = attest.attest(
            orders,
            channel=CHANNEL,
            trust=trust,
            source=lambda: Token(token, source="the sandbox"),
            now=self.session.now,
            force=True,
        )
        for each in made:
            failed = isinstance(each.outcome, CondattestError)
            text = f"{each.order.path.name}: {each.outcome}" if failed else f"wrote {each.order.output.name}"
            self.story.outcome(text, good=not failed, as_expected=not failed)

    def verify(
        self, path: Path, policy: "Policy", trust: "TrustRoot", expected: Code | None, channel: Channel = CHANNEL
    ) -> None:
        """Verify a package as `condattest verify` does, and compare the verdict with the expected one."""
        from condattest.operations.question import Question
        from condattest.operations.targets import FileTarget
        from condattest.operations.verify import verify

        question = Question(policy=policy, channel=channel)
        target = FileTarget(path, PackageFile.parse(path.name))
        with self.session.fetcher() as fetcher:
            [answer] = verify([target], question, trust=trust, fetcher=fetcher, now=self.session.now)
        self.story.verdict(answer.verdict, code=expected)

    def scene(self, trust: "TrustRoot", required: "Policy", token: str) -> demo_channel.Scene:
        """Where the chapters of the channel play; `token` is of the workflow that hotfixes records."""
        from condattest.signatures.identity import Token
        from condattest.signatures.sign import Signing

        signing = Signing(trust, lambda: Token(token, source="the sandbox"))

        def sign(payload: bytes) -> bytes:
            [signed] = signing.sign([payload], jobs=1)
            if isinstance(signed.outcome, CondattestError):
                raise signed.outcome
            return signed.outcome

        return demo_channel.Scene(self.story, self.folder, CHANNEL, trust, required, sign, self.session.now)

    def learn(self, path: Path, trust: "TrustRoot") -> "Policy":
        """Learn a policy as `condattest policy learn` does, and write it."""
        from condattest.operations import learn as seeing
        from condattest.operations.targets import FileTarget
        from condattest.policy import learn, load

        with self.session.fetcher() as fetcher:
            target = FileTarget(path, PackageFile.parse(path.name))
            observed = seeing.observe(target, CHANNEL, trust, fetcher)
        file = self.folder / "policy.toml"
        proposal = learn.learn([observed], where=str(file), now=self.session.now)
        file.write_text(proposal.text, "utf-8")
        self.story.outcome(f"wrote {file.name}", good=True, as_expected=True)
        return load.parse(proposal.text.encode(), where=str(file), now=self.session.now)


@click.command("demo", cls=Command, examples=["condattest demo", "condattest demo --dir demo --force"])
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files go; by default a new folder.",
)
@click.option("--force", is_flag=True, help="Use --dir although it is there already; its demo files are replaced.")
@pass_settings
def command(settings: Settings, /, folder: Path | None, force: bool) -> int:
    """Tell the whole story on the built-in sandbox: sign, verify, tamper, impersonate, publish, hotfix, strip, audit.

    Opens sockets on 127.0.0.1 only, and leaves the files to look at.
    """
    session = Session(settings)
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="condattest-demo-"))
    elif folder.exists() and any(folder.iterdir()) and not force:
        raise Misuse(f"{folder}: the folder is not empty", hint="name another one, or add --force")
    folder.mkdir(parents=True, exist_ok=True)
    story = Story(None if settings.json else session.out)
    _tell(_Stage(session, story, folder))
    code = 0 if story.went_well else 1
    content = documents.document("demo", code, folder=str(folder), steps=story.steps)
    session.render(content, lambda console: _closing(console, folder))
    return code


def _tell(stage: _Stage) -> None:
    from condattest.policy import rules
    from condattest.sandbox import Sandbox, github
    from condattest.sandbox.packages import make_package
    from condattest.signatures.trust_root import TrustRoot

    story, folder = stage.story, stage.folder
    maintainer, attacker = github(REPOSITORY), github(ATTACKER)
    required = rules.for_repository(REPOSITORY)
    flags = f"--repository {REPOSITORY} --channel {CHANNEL}"

    story.tell("Two conda packages are built")
    good = make_package(folder, "hello-demo", "1.0.0")
    other = make_package(folder, "numbers-demo", "2.1.0", depends=("hello-demo >=1",))
    story.outcome(f"{good.name}, {other.name} in {folder}", good=True, as_expected=True)

    story.tell("A local Sigstore starts, with real keys and real proofs; nobody trusts it", "condattest sandbox serve")
    with Sandbox(rekor=1, tsa=True).serve() as running:
        config = running.write(folder)
        trust = TrustRoot.from_file(config)
        story.outcome(f"{running.url}; its trust root is in {config.name}", good=True, as_expected=True)

        story.tell(f"A workflow of {REPOSITORY} signs both, once", f"condattest attest *.conda --channel {CHANNEL}")
        stage.attest([good, other], running.sandbox.token(maintainer), trust)

        story.tell("An installer verifies one: who must have signed it?", f"condattest verify {good.name} {flags}")
        stage.verify(good, required, trust, None)

        story.tell(
            "A policy is learned from it, with exact ids", f"condattest policy learn {good.name} --output policy.toml"
        )
        policy = stage.learn(good, trust)
        stage.verify(good, policy, trust, None)

        story.tell("Somebody changes one bit of the package", f"condattest verify tampered/{good.name} {flags}")
        tampered = _copy(good, folder / "tampered")
        _flip_a_bit(tampered)
        stage.verify(tampered, required, trust, Code.BIND_DIGEST)

        story.tell(f"{ATTACKER} signs a build of its own, properly", f"condattest verify mallory/{good.name} {flags}")
        evil = make_package(_folder(folder / "mallory"), "hello-demo", "1.0.0", payload=b"evil\n")
        stage.attest([evil], running.sandbox.token(attacker), trust)
        stage.verify(evil, required, trust, Code.IDENTITY_MISMATCH)

        elsewhere = Channel("https://conda.example/elsewhere")
        story.tell(
            "The signed package is offered by another channel",
            f"condattest verify {good.name} --repository {REPOSITORY} --channel {elsewhere}",
        )
        stage.verify(good, required, trust, Code.CHANNEL_MISMATCH, elsewhere)

        hotfixes = github(demo_channel.HOTFIXES)
        scene = stage.scene(trust, required, running.sandbox.token(hotfixes))
        demo_channel.tell(scene, [good, other])

    story.tell("A second Sigstore, of the attacker's own, vouches for the right name")
    with Sandbox(rekor=1, tsa=True).serve() as forged:
        impostor = make_package(_folder(folder / "forged"), "hello-demo", "1.0.0", payload=b"forged\n")
        forged_trust = TrustRoot.from_json(forged.trust_config_json().encode(), name="the attacker's Sigstore")
        stage.attest([impostor], forged.sandbox.token(maintainer), forged_trust)
        stage.verify(impostor, required, trust, Code.CRYPTO)

    demo_audit.tell(scene, maintainer, hotfixes, make_package(_folder(folder / "forgotten"), "forgotten-demo", "0.1.0"))


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _copy(package: Path, to: Path) -> Path:
    _folder(to)
    for name in (package.name, f"{package.name}.sigstore.json"):
        shutil.copy2(package.parent / name, to / name)
    return to / package.name


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _closing(console: Console, folder: Path) -> None:
    console.print(Text(f"\nThe files are in {folder}. Try them:", style="bold"))
    console.print(Text(f"   cd {folder}"))
    console.print(
        Text(
            "   condattest verify --offline --trusted-root trusted_root.json hello-demo-1.0.0-0.conda "
            f"--repository {REPOSITORY} --channel {CHANNEL}"
        )
    )
    console.print(Text("   condattest inspect hello-demo-1.0.0-0.conda.sigstore.json"))
    console.print(
        Text(
            "   condattest patch blame channel numbers-demo-2.1.0-0.conda --trusted-root trusted_root.json "
            f"--subdir noarch --channel {CHANNEL} --repository {demo_channel.HOTFIXES}"
        )
    )
    console.print(
        Text(
            f"   condattest audit mirror --trusted-root trusted_root.json --channel {CHANNEL} "
            f"--policy {demo_audit.POLICY}"
        )
    )
    console.print(Text(f"   and open {demo_audit.PAGE} in a browser"))
