"""Get the trust root of a public Sigstore instance: through TUF, from a cache, or as sigstore ships it.

Owns `Instance` and `obtain`. The cache is this project's own folder, so a read-only home costs only the cache. A
refresh that fails leaves the last verified root in use, with a note of its age: an outage of the TUF repository must
not stop a verification, and a root that is never refreshed must not go unnoticed.

Spec: https://theupdateframework.github.io/specification/latest/
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import sigstore

from condattest.errors import Unavailable
from condattest.model.finding import Code, Finding

if TYPE_CHECKING:
    from tuf.ngclient.updater import Updater

MAX_AGE: Final = timedelta(days=1)
"""Age at which a cached root is refreshed."""
_ROOT, _CONFIG = "trusted_root.json", "signing_config.v0.2.json"
_STAMP = "refreshed"
_TIMEOUT: Final = 10
"""Seconds without an answer: a network that drops packets must not hold up every verification for long."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Instance:
    """A Sigstore instance whose TUF repository's first root sigstore ships."""

    name: str
    tuf_url: str

    def shipped(self, file: str) -> bytes:
        """The file as the installed sigstore has it."""
        # By path and not by importlib.resources, whose readers would cost a twentieth of a short command's time.
        return (Path(sigstore.__file__).parent / "_store" / quote(self.tuf_url, safe="") / file).read_bytes()


PRODUCTION: Final = Instance("production", "https://tuf-repo-cdn.sigstore.dev")
STAGING: Final = Instance("staging", "https://tuf-repo-cdn.sigstage.dev")


@dataclass(frozen=True, slots=True)
class Obtained:
    """A trust root's files, and what a user should know of them."""

    trusted_root: bytes
    signing_config: bytes
    notes: tuple[Finding, ...]


def default_cache() -> Path:
    """The folder under the user's cache directory that holds TUF metadata."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("condattest", appauthor=False)) / "tuf"


def obtain(
    instance: Instance, *, offline: bool, now: datetime | None, cache: Path | None, bootstrap: bytes | None = None
) -> Obtained:
    """Return the instance's trust root: cached if it is young enough, else refreshed, else the best there is.

    Args:
        instance: Whose root.
        offline: Open no socket.
        now: The time at which the cached root's age is judged; None: refresh whatever its age.
        cache: The cache folder; by default `default_cache()`.
        bootstrap: The first TUF root, where it is not the one that sigstore ships.
    """
    folder = (default_cache() if cache is None else cache) / quote(instance.tuf_url, safe="")
    refreshed = _refreshed_at(folder)
    if not offline and (now is None or refreshed is None or not timedelta(0) <= now - refreshed < MAX_AGE):
        try:
            files = _refresh(instance, folder, bootstrap, now)
        except Unavailable as error:
            return _best(instance, folder, refreshed, str(error))
        return Obtained(*files, ())
    if refreshed is not None and now is not None and now - refreshed < MAX_AGE:
        return _best(instance, folder, refreshed, None)
    return _best(instance, folder, refreshed, "offline" if offline else None)


def _best(instance: Instance, folder: Path, refreshed: datetime | None, reason: str | None) -> Obtained:
    if refreshed is not None:
        with contextlib.suppress(OSError):
            files = (folder / "targets" / _ROOT).read_bytes(), (folder / "targets" / _CONFIG).read_bytes()
            return Obtained(*files, _age_note(instance, refreshed.isoformat(), reason))
    try:
        shipped = instance.shipped(_ROOT), instance.shipped(_CONFIG)
    except OSError:
        raise Unavailable(instance.tuf_url, reason or "no trust root is cached, and none is shipped") from None
    return Obtained(*shipped, _age_note(instance, f"never; as shipped with sigstore {_sigstore_version()}", reason))


def _age_note(instance: Instance, refreshed: str, reason: str | None) -> tuple[Finding, ...]:
    if reason is None:
        return ()
    return (Finding.of(Code.TRUST_ROOT_AGE, instance.name, refreshed=refreshed, reason=reason),)


def _sigstore_version() -> str:
    return sigstore.__version__


def _refreshed_at(folder: Path) -> datetime | None:
    try:
        return datetime.fromisoformat((folder / _STAMP).read_text("ascii").strip()).astimezone(UTC)
    except (OSError, ValueError):
        return None


def _refresh(instance: Instance, folder: Path, bootstrap: bytes | None, now: datetime | None) -> tuple[bytes, bytes]:
    # Imported here: TUF's client and its HTTP stack are needed once a day.
    from tuf.api.exceptions import DownloadError, RepositoryError
    from tuf.ngclient.updater import Updater
    from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

    with _writable(folder) as place:
        metadata, targets = place / "metadata", place / "targets"
        metadata.mkdir(exist_ok=True)
        targets.mkdir(exist_ok=True)
        try:
            updater = Updater(
                metadata_dir=str(metadata),
                metadata_base_url=instance.tuf_url,
                target_dir=str(targets),
                target_base_url=f"{instance.tuf_url}/targets/",
                fetcher=Urllib3Fetcher(socket_timeout=_TIMEOUT, app_user_agent="condattest"),
                bootstrap=bootstrap or instance.shipped("root.json"),
            )
            updater.refresh()
            files = _target(updater, _ROOT), _target(updater, _CONFIG)
        except (DownloadError, RepositoryError, OSError, ValueError) as error:
            reason = str(error) or str(error.__cause__) or type(error).__name__
            raise Unavailable(instance.tuf_url, f"the trust root could not be refreshed: {reason:.300}") from error
        if now is not None:
            (place / _STAMP).write_text(now.astimezone(UTC).isoformat(), "ascii")
        return files


def _target(updater: "Updater", name: str) -> bytes:
    info = updater.get_targetinfo(name)
    if info is None:
        raise ValueError(f"the TUF repository has no {name}")
    path = updater.find_cached_target(info) or updater.download_target(info)
    return Path(path).read_bytes()


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[Path]:
    """Yield the cache folder, or a temporary one where the user's cache cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        _log.info("the cache %s cannot be written: %s", folder, error.strerror)
        with TemporaryDirectory(prefix="condattest-tuf-") as temporary:
            yield Path(temporary)
    else:
        yield folder
