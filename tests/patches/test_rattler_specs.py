import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.patches.rattler_specs import Unforetold, rewritten
from tests.patches.instructions import record
from tests.patches.test_rattler_index_engine import index, instructions, rattler

REWRITTEN = [
    ("numpy", "numpy", "numpy"),
    ("Python  3.9*", "python 3.9.*", 'python[version="3.9.*"]'),
    ("zlib>=1.2, <1.3", "zlib >=1.2,<1.3", 'zlib[version=">=1.2,<1.3"]'),
    ("foo 1.01 h1_0", "foo ==1.1 h1_0", 'foo[version="==1.1",build="h1_0"]'),
    ("foo=1.0", "foo 1.0.*", 'foo[version="1.0.*"]'),
    ("foo=1.0=h1*", "foo ==1.0 h1*", 'foo[version="==1.0",build="h1*"]'),
    ("foo * *_cp39", "foo * *_cp39", 'foo[version="*",build="*_cp39"]'),
    ("foo 1!2.0RC1_|3+Local.1", "foo ==1!2.0rc1_|==3+local.1", 'foo[version="==1!2.0rc1_|==3+local.1"]'),
    ("foo >1.*,==2.*,!=3*", "foo >=1,==2,!=3.*", 'foo[version=">=1,==2,!=3.*"]'),
    ('foo[version=">=1",build="b"]', "foo >=1 b", 'foo[version=">=1",build="b"]'),
]
UNFORETOLD = [
    "", " ", "ü", "a::b", "a/linux-64::b", "w[", "w[build=b]", "w[when='x']", "w[extras=[a]]", "w 1.0 ^b$", "w 1.0 b c",
    "w (>=1|<0.5),!=0.2", "w >=1||<2", "w 1.0-1", "w >=", "w >*", "w 1.0 # c", "https://x/y-1-0.conda", "w 1..0",
    f"w {10**18}", "*", "w\x1c1", "w\n\u2028",
]  # fmt: skip


@pytest.mark.parametrize(("spec", "legacy", "v3"), REWRITTEN)
def test_a_specification_is_rewritten_for_its_section(spec, legacy, v3):
    assert rewritten(spec, v3=False) == legacy
    assert rewritten(spec, v3=True) == v3


@pytest.mark.parametrize("spec", UNFORETOLD, ids=repr)
def test_what_is_unusual_is_not_foretold(spec):
    with pytest.raises(Unforetold):
        rewritten(spec, v3=False)


@given(st.text(st.sampled_from("aZ01.*_=<>!~|, \t[]:-+"), max_size=20))
def test_any_text_is_rewritten_to_what_stays_as_it_is_or_not_foretold(spec):
    for v3 in (False, True):
        try:
            made = rewritten(spec, v3=v3)
        except Unforetold:
            continue
        assert rewritten(made, v3=v3) == made


def by_rattler(specs: list[str]) -> dict[str, tuple[str, str] | None]:
    """What py-rattler writes into either section; None for what it refuses, which is searched for by halves."""
    built = {f"a-{number}-0.conda": record() for number in range(len(specs))}
    v3 = {f"b-{number}-0": record() for number in range(len(specs))}
    fixes = [{"depends": [spec]} for spec in specs]
    document = instructions(
        packages__conda=dict(zip(built, fixes, strict=True)), v3={"conda": dict(zip(v3, fixes, strict=True))}
    )
    real = rattler(index(conda=built, v3={"conda": v3}), document)
    if real is not None:
        served = real[1]
        return {
            spec: (served["packages.conda"][old]["depends"][0], served["v3"]["conda"][new]["depends"][0])
            for spec, old, new in zip(specs, built, v3, strict=True)
        }
    if len(specs) == 1:
        return {specs[0]: None}
    half = len(specs) // 2
    return by_rattler(specs[:half]) | by_rattler(specs[half:])


def test_specifications_are_rewritten_as_rattler_does():
    """Random names, versions and builds in every spelling, thousands in one run of the indexer."""
    chance = random.Random(20)
    count = 20 * int(os.environ.get("CONDATTEST_PATCH_EXAMPLES", "100"))
    foretold = {}
    for spec in [spec for spec, _, _ in REWRITTEN] + [random_spec(chance) for _ in range(count)]:
        try:
            foretold[spec] = (rewritten(spec, v3=False), rewritten(spec, v3=True))
        except Unforetold:
            continue
    assert len(foretold) > count // 2
    assert by_rattler(list(foretold)) == foretold


def random_spec(chance: random.Random) -> str:
    def version() -> str:
        atoms = ["0", "1", "02", "a", "rc1", "10", "DEV", "post", "x86", "2021", "00"]
        parts = ["".join(chance.choices(atoms, k=chance.choice([1, 1, 2]))) for _ in range(chance.randrange(1, 4))]
        return chance.choice(["", "", "1!"]) + chance.choice("..._").join(parts) + chance.choice(["", "", "_", "+l.01"])

    def constraint() -> str:
        operator = chance.choice(["", "", "=", "==", ">=", "<=", "<", ">", "!=", "~="])
        return operator + chance.choice(["", " "]) + (version() + chance.choice(["", "", ".*", "*"]))

    several = [chance.choice(["*", constraint(), constraint()]) for _ in range(chance.choice([1, 1, 2, 3]))]
    versions = several[0] + "".join(chance.choice([",", "|", ", ", " | "]) + each for each in several[1:])
    build = chance.choice(["", "", " b_0", " *_cp39", "=b*", "  Bx ", " *"])
    return chance.choice(["w", "W-x", "a.b", "_p", "9z"]) + chance.choice([" ", "  ", "", "="]) + versions + build
