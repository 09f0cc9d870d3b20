import hashlib
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from condattest.model.artifact import MAX_FILE_NAME, Artifact, PackageFile, Sha256

HEX = "0123456789abcdef" * 4
KINDS = (".conda", ".tar.bz2")

names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
versions = st.from_regex(r"[A-Za-z0-9_.!+]{1,12}", fullmatch=True)
builds = st.from_regex(r"[A-Za-z0-9_.+]{1,12}", fullmatch=True)
package_files = st.builds(PackageFile, names, versions, builds, st.sampled_from(KINDS))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("zlib-1.2.11-h7b6447c_3.conda", ("zlib", "1.2.11", "h7b6447c_3", ".conda")),
        ("zlib-1.2.11-h7b6447c_3.tar.bz2", ("zlib", "1.2.11", "h7b6447c_3", ".tar.bz2")),
        ("ruamel.yaml-0.17-py_0.conda", ("ruamel.yaml", "0.17", "py_0", ".conda")),
        ("_r-xgboost-mutex-1.0-gpu_0.tar.bz2", ("_r-xgboost-mutex", "1.0", "gpu_0", ".tar.bz2")),
        ("x264-1!164.3095-h166bdaf_2.conda", ("x264", "1!164.3095", "h166bdaf_2", ".conda")),
        ("jaxlib-0.4.1+cuda12-py311.conda", ("jaxlib", "0.4.1+cuda12", "py311", ".conda")),
        ("a-b-c-d-1-0.conda", ("a-b-c-d", "1", "0", ".conda")),
    ],
)
def test_a_file_name_splits_from_its_end_since_only_names_hold_dashes(text, parts):
    file = PackageFile.parse(text)
    assert (file.name, file.version, file.build, file.kind) == parts
    assert str(file) == text
    assert file.stem + file.kind == text


@given(package_files)
def test_every_package_file_reads_back_from_its_text(file):
    assert PackageFile.parse(str(file)) == file


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"{text}-1.0-0.conda"))
@example("a-1-0.conda\n")
@example("-1-0.conda")
def test_what_parses_writes_back_to_the_same_text(text):
    try:
        file = PackageFile.parse(text)
    except ValueError:
        return
    assert str(file) == text
    assert text.isascii()
    assert text.isprintable()
    assert "/" not in text
    assert "\\" not in text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("zlib-1.2.11-0.CONDA", id="an upper-case extension"),
        pytest.param("zlib-1.2.11-0.Tar.Bz2", id="a mixed-case extension"),
        pytest.param("zlib-1.2.11-0.conda\0", id="a trailing NUL"),
        pytest.param("zlib\0evil-1.2.11-0.conda", id="a NUL inside"),
        pytest.param("../zlib-1.2.11-0.conda", id="a parent folder"),
        pytest.param("linux-64/zlib-1.2.11-0.conda", id="a folder"),
        pytest.param("linux-64\\zlib-1.2.11-0.conda", id="a Windows folder"),
        pytest.param("zlib%2f-1.2.11-0.conda", id="an encoded separator"),
        pytest.param("zl\u0456b-1.2.11-0.conda", id="a Cyrillic homoglyph"),
        pytest.param("zlib-1.2.\u0661\u0661-0.conda", id="Arabic digits"),
        pytest.param("zlib\u2010-1.2.11-0.conda", id="a Unicode hyphen"),
        pytest.param("\u202ezlib-1.2.11-0.conda", id="a bidirectional override"),
        pytest.param("zlib-1.2.11-0.conda ", id="a trailing space"),
        pytest.param("zlib-1.2.11-0.conda\n", id="a trailing line feed"),
        pytest.param(" zlib-1.2.11-0.conda", id="a leading space"),
        pytest.param(".zlib-1.2.11-0.conda", id="a hidden file"),
        pytest.param("-zlib-1.2.11-0.conda", id="an option"),
    ],
)
def test_a_name_that_two_tools_could_read_differently_is_refused(text):
    """A look-alike name, or one that leaves its folder, is taken for another package's."""
    with pytest.raises(ValueError, match="expected"):
        PackageFile.parse(text)


@pytest.mark.parametrize(
    "text", ["", ".conda", "zlib.conda", "zlib-1.2.conda", "--.conda", "zlib-1.2-0.whl", "a--1.conda"]
)
def test_a_name_without_its_three_parts_or_a_known_extension_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        PackageFile.parse(text)


def test_a_file_name_has_at_most_255_bytes():
    fits = "a" * (MAX_FILE_NAME - len("-1-0.conda")) + "-1-0.conda"
    assert str(PackageFile.parse(fits)) == fits
    with pytest.raises(ValueError, match="expected <name>"):
        PackageFile.parse("a" + fits)


def test_a_refused_name_is_quoted_short_and_escaped():
    """A name of megabytes with terminal sequences floods or repaints the report."""
    with pytest.raises(ValueError, match="expected") as caught:
        PackageFile.parse("\x1b[2J" * 100_000)
    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


@given(st.binary(max_size=40))
def test_a_digest_of_any_bytes_is_taken(data):
    digest = hashlib.sha256(data)
    assert Sha256(digest.hexdigest()) == Sha256.of_bytes(digest.digest())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEX.upper(), id="upper case"),
        pytest.param(HEX[:-1], id="63 digits"),
        pytest.param(HEX + "0", id="65 digits"),
        pytest.param("", id="nothing"),
        pytest.param(f"sha256:{HEX}", id="a prefix"),
        pytest.param(HEX + "\n", id="a line feed"),
        pytest.param(HEX[:-1] + "\uff10", id="a full-width digit"),
        pytest.param("0x" + HEX[2:], id="a radix"),
    ],
)
def test_a_digest_in_any_other_spelling_is_refused(text):
    """Two spellings of one digest compare as different, or a short one matches many files."""
    with pytest.raises(ValueError, match="64 lowercase hex digits"):
        Sha256(text)


@pytest.mark.parametrize("size", [0, 20, 31, 33])
def test_raw_digests_of_another_length_are_refused(size):
    with pytest.raises(ValueError, match="64 lowercase hex digits"):
        Sha256.of_bytes(bytes(size))


@given(package_files, st.binary(min_size=32, max_size=32))
def test_every_artifact_reads_back_from_its_text(file, digest):
    artifact = Artifact(file, Sha256.of_bytes(digest))
    assert Artifact.parse(str(artifact)) == artifact


@pytest.mark.parametrize(
    "text",
    [
        "zlib-1-0.conda",
        f"zlib-1-0.conda@{HEX}",
        f"zlib-1-0.conda@sha256:{HEX.upper()}",
        f"zlib@sha256:{HEX}",
        f"@sha256:{HEX}",
    ],
)
def test_an_artifact_needs_a_package_name_and_a_whole_digest(text):
    with pytest.raises(ValueError, match="expected"):
        Artifact.parse(text)


def test_artifacts_survive_another_process():
    artifact = Artifact(PackageFile.parse("zlib-1.2.11-0.conda"), Sha256(HEX), "linux-64")
    copied = pickle.loads(pickle.dumps(artifact))
    assert copied == artifact
    assert isinstance(copied.sha256, Sha256)
    assert hash(copied) == hash(artifact)


@given(
    st.lists(
        st.sampled_from([HEX, "ab" * 32, HEX.upper(), HEX[1:], f"{HEX}0", f"{HEX[1:]} ", "\u0661" * 64]) | st.text()
    )
)
@example(["ab" * 31, "ab" * 33])
@example([])
def test_many_digests_are_checked_as_each_of_them_is(texts):
    try:
        expected = [Sha256(text) for text in texts]
    except ValueError:
        with pytest.raises(ValueError, match="hex"):
            Sha256.of_texts(texts)
    else:
        found = list(Sha256.of_texts(texts))
        assert found == expected
        assert all(type(each) is Sha256 for each in found)


@pytest.mark.parametrize("other", [None, 5, b"ab" * 32, ["ab"] * 64])
def test_digests_are_text(other):
    with pytest.raises(TypeError):
        Sha256.of_texts([HEX, other])
