import dataclasses

import pytest

from condattest.formats.index_changes import Applied, Changes, file_in, key_in, twice
from condattest.model.artifact import PackageFile, Sha256

CONDA = PackageFile.parse("zlib-1.2-h1_0.conda")
BZIP2 = PackageFile.parse("zlib-1.2-h1_0.tar.bz2")


@pytest.mark.parametrize(
    ("section", "key", "v3", "file"),
    [
        ("packages", str(BZIP2), False, BZIP2),
        ("packages.conda", str(CONDA), False, CONDA),
        # Whatever the section, the name says what it is: clients go by the name.
        ("packages", str(CONDA), False, CONDA),
        ("conda", "zlib-1.2-h1_0", True, CONDA),
        ("tar.bz2", "zlib-1.2-h1_0", True, BZIP2),
        ("whl", "zlib-1.2-h1_0", True, None),
        ("conda", "zlib", True, None),
        ("packages.conda", "zlib-1.2-h1_0", False, None),
        ("packages.conda", "../zlib-1.2-h1_0.conda", False, None),
        ("packages.conda", "", False, None),
    ],
)
def test_a_key_of_a_section_names_an_artifact_or_none(section, key, v3, file):
    assert file_in(section, key, v3=v3) == file
    if file is not None:
        assert key_in(section, file, v3=v3) == key


def test_a_section_of_v3_has_a_key_for_its_own_kind_alone():
    assert key_in("conda", BZIP2, v3=True) is None
    assert key_in("tar.bz2", CONDA, v3=True) is None
    assert key_in("whl", CONDA, v3=True) is None


def test_a_file_that_two_sections_list_is_found_under_either_spelling():
    packages = {str(BZIP2): 0, "x-1-0.tar.bz2": 0}
    assert twice([(packages, ""), ({str(CONDA): 0}, "")]) == set()
    assert twice([(packages, ""), ({"x-1-0.tar.bz2": 0}, "")]) == {"x-1-0.tar.bz2"}
    assert twice([(packages, ""), ({CONDA.stem: 0}, ".conda")]) == set()
    assert twice([(packages, ""), ({CONDA.stem: 0}, ".tar.bz2")]) == {str(BZIP2)}
    assert twice([({CONDA.stem: 0}, ".conda"), ({CONDA.stem: 0}, ".tar.bz2")]) == set()
    assert twice([]) == set()


def test_what_changes_gave_cannot_be_changed():
    for value in (Changes({CONDA: Sha256("0" * 64)}), Applied(b"", frozenset(), frozenset(), {})):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)
    assert Changes({}).insert == {}
