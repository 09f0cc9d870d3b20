import io
import json

from hypothesis import given
from hypothesis import strategies as st

from condattest.reports import audit_documents, audit_jsonl
from tests import audits


def lines(audit):
    out = io.StringIO()
    audit_jsonl.write(audit, out)
    return out.getvalue().split("\n")


def test_the_first_line_is_the_header_and_each_other_is_a_package():
    audit = audits.audit(40)
    header, *packages, end = lines(audit)
    assert end == ""
    assert json.loads(header) == audit_documents.header(audit)
    assert [json.loads(each) for each in packages] == [audit_documents.package(each) for each in audit.results]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_whatever_a_name_holds_a_package_is_one_line_of_ascii(texts):
    written = lines(audits.audit(8, texts=tuple(texts), generations=1))
    assert len(written) == 10
    assert all(json.loads(each) for each in written[:-1])
    assert "\n".join(written).isascii()


def test_packages_are_written_as_they_come():
    """Nothing of a channel of millions of packages is held."""
    seen = []

    class Out(io.StringIO):
        def write(self, text):
            seen.append(len(text))
            return len(text)

    class Results:
        def __len__(self):
            return 3

        def __iter__(self):
            for number, package in enumerate(audits.audit(3).results):
                assert len(seen) == number + 1, "the package before is not written yet"
                yield package

    audit_jsonl.write(audits.audit(3, results=Results()), Out())
    assert len(seen) == 4
