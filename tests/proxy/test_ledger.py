from condattest.model.finding import Code, Finding
from condattest.operations.screening import Sheet
from condattest.proxy.ledger import Ledger
from tests.rehearsal import NOW

WHY = (Finding.of(Code.CRYPTO, "x"),)


def test_the_newest_refusal_comes_first_and_the_oldest_is_forgotten():
    ledger = Ledger()
    for number in range(300):
        ledger.refused(f"path {number}", 403, WHY, now=NOW)
    kept = ledger.refusals()
    assert (len(kept), kept[0].path, kept[-1].path) == (200, "path 299", "path 100")
    assert ledger.totals() == (0, 300)


def test_an_index_file_has_one_sheet_and_there_are_not_too_many():
    ledger = Ledger()
    ledger.index("a", Sheet(1, {}, {}))
    ledger.index("a", Sheet(2, {}, {}))
    assert ledger.sheets() == {"a": Sheet(2, {}, {})}
    for number in range(2000):
        ledger.index(str(number), Sheet(1, {}, {}))
    assert len(ledger.sheets()) == 1000
