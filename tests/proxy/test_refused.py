import pytest

from condattest.errors import LocalFailure, Malformed, NotFound, Offline, TooLarge, Unavailable
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.proxy.refused import Refused, refused, unless_accepted


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("u", "r"), 404, Code.NET_NOT_FOUND),
        (Unavailable("u", "r"), 502, Code.NET_UNAVAILABLE),
        (TooLarge("u", "r"), 502, Code.NET_LIMIT),
        (Offline("u", "r"), 502, Code.NET_OFFLINE),
        (LocalFailure("full"), 503, Code.NET_FILE),
        (Malformed(Finding.of(Code.MISSING_PACKAGE, "x")), 404, Code.MISSING_PACKAGE),
        (Malformed(Finding.of(Code.BIND_NO_DIGEST, "x")), 403, Code.BIND_NO_DIGEST),
        (Malformed(Finding.of(Code.NET_UNAVAILABLE, "x")), 502, Code.NET_UNAVAILABLE),
    ],
)
def test_what_went_wrong_has_its_status(error, status, code):
    refusal = refused(error)
    assert (refusal.status, [finding.code for finding in refusal.findings]) == (status, [code])


def test_only_an_accepted_verdict_lets_a_package_pass():
    why = (Finding.of(Code.CRYPTO, "x"),)
    accepted = Accepted("rule", ())
    assert unless_accepted(accepted) is accepted
    for verdict, status in ((Rejected(why), 403), (Undecided(why), 503)):
        with pytest.raises(Refused) as caught:
            unless_accepted(verdict)
        assert (caught.value.status, caught.value.findings) == (status, why)
