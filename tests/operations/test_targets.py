"""What stands on the command line is one of three kinds of target, or a usage error that says what is expected."""

import pytest

from condattest.errors import Misuse
from condattest.model.artifact import PackageFile, Sha256
from condattest.operations import targets
from condattest.operations.targets import DigestTarget, FileTarget, UrlTarget


def test_a_file_is_a_file_target(tmp_path):
    path = tmp_path / "zlib-1.2.11-h7b6447c_3.conda"
    path.write_bytes(b"")
    assert targets.parse(str(path)) == FileTarget(path, PackageFile.parse(path.name))


def test_a_url_says_channel_subdir_and_file():
    target = targets.parse("https://Conda.Example/ch/label/dev/linux-64/zlib-1.2.11-h7b6447c_3.conda")
    assert isinstance(target, UrlTarget)
    assert (target.channel.url, target.subdir) == ("https://conda.example/ch/label/dev", "linux-64")


def test_an_escaped_version_is_the_version():
    target = targets.parse("https://conda.example/ch/noarch/x-1%212.0-0.conda")
    assert isinstance(target, UrlTarget)
    assert target.file.version == "1!2.0"


def test_a_name_with_a_digest_is_a_digest_target():
    target = targets.parse(f"x-1.0-0.tar.bz2@sha256:{'a' * 64}")
    assert isinstance(target, DigestTarget)
    assert target.file.kind == ".tar.bz2"


def test_credentials_of_a_url_are_not_shown():
    target = targets.parse("https://user:secret@conda.example/t/tk-123/ch/noarch/x-1.0-0.conda")
    assert "secret" not in str(target)
    assert "tk-123" not in str(target)
    assert isinstance(target, UrlTarget)
    assert target.channel.url == "https://conda.example/ch"


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.example/t/secret/x-1.0-0.conda",
        "https://conda.example/t/tk-secret/x-1.0-0.conda",
        "https://conda.example/ch/noarch/x-1.0-0.conda?X-Amz-Signature=secret",
        "https://conda.example/ch/noarch/x-1.0-0.conda#secret",
    ],
)
def test_credentials_are_not_shown_in_errors_either(url):
    """A signed URL is pasted, or one that lacks its channel."""
    for read in (targets.parse, lambda text: targets.listed(text, None)):
        with pytest.raises(Misuse) as caught:
            read(url)
        assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_credentials_are_not_in_a_repr():
    url = "https://user:secret@conda.example/t/tk-123/ch/noarch/x-1.0-0.conda"
    for target in (targets.parse(url), targets.listed(url, None)):
        assert "secret" not in repr(target)
        assert "tk-123" not in repr(target)


@pytest.mark.parametrize(
    "text",
    [
        "no/such/file.conda",
        "",
        f"x-1.0-0.conda@sha256:{'A' * 64}",
        f"x-1.0-0.conda@sha256:{'a' * 63}",
        f"x-1.0-0.zip@sha256:{'a' * 64}",
        "https://conda.example/x-1.0-0.conda",
        "https://conda.example/ch/noarch/",
        "https://conda.example/ch/noarch/..%2fx-1.0-0.conda",
        "https://conda.example/ch/../noarch/x-1.0-0.conda",
        "https://conda.example/ch/NOARCH/x-1.0-0.conda",
        "https://conda.example/ch/noarch/x-1.0-0.conda?x=1",
        "ftp://conda.example/ch/noarch/x-1.0-0.conda",
    ],
)
def test_anything_else_is_a_usage_error(text):
    with pytest.raises(Misuse):
        targets.parse(text)


def test_a_directory_is_a_usage_error(tmp_path):
    with pytest.raises(Misuse, match="found a directory"):
        targets.parse(str(tmp_path))


def test_a_file_that_is_no_package_is_a_usage_error(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("x")
    with pytest.raises(Misuse, match=r"\.conda or \.tar\.bz2"):
        targets.parse(str(path))


def test_what_a_client_lists_is_read_from_its_url():
    target = targets.listed("https://user:pw@conda.example/ch/linux-64/x-1!2-0.conda", Sha256("a" * 64), {"name": "x"})
    assert (target.channel.url, target.subdir, str(target.file)) == (
        "https://conda.example/ch",
        "linux-64",
        "x-1!2-0.conda",
    )
    assert "pw" not in str(target)
    with pytest.raises(Misuse):
        targets.listed("https://conda.example/x-1-0.conda", None)
