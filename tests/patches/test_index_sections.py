from condattest.patches.index_sections import file_of, record_at, records_of, sections_of

DOCUMENT = {
    "packages": {"a-1-0.tar.bz2": {"n": 1}, "no package": {}},
    "packages.conda": {"a-1-0.conda": {"n": 2}},
    "v3": {"conda": {"b-1-0": {"n": 3}}, "tar.bz2": {"b-1-0": {"n": 4}}, "whl": {"c-1-0": {}}},
}


def test_the_records_of_an_index_are_those_of_all_its_sections():
    found = {place: (str(file), record["n"]) for place, file, record in records_of(DOCUMENT)}
    assert found == {
        ("packages", "a-1-0.tar.bz2"): ("a-1-0.tar.bz2", 1),
        ("packages.conda", "a-1-0.conda"): ("a-1-0.conda", 2),
        ("v3.conda", "b-1-0.conda"): ("b-1-0.conda", 3),
        ("v3.tar.bz2", "b-1-0.tar.bz2"): ("b-1-0.tar.bz2", 4),
    }
    assert list(records_of({})) == []


def test_each_record_is_at_its_place():
    for place, _, record in records_of(DOCUMENT):
        assert record_at(DOCUMENT, place) is record


def test_elsewhere_there_is_none():
    for place in (("packages", "a-1-0.conda"), ("v3.conda", "b-1-0"), ("v3.whl", "c-1-0"), ("packages", "no package")):
        assert record_at(DOCUMENT, place) is None


def test_empty_sections_are_as_if_they_were_not_there():
    assert list(sections_of({"packages": {}, "v3": {"conda": {}}})) == []


def test_a_file_is_what_is_named_as_one():
    assert str(file_of("a-1-0.conda")) == "a-1-0.conda"
    assert file_of("a-1-0") is None
