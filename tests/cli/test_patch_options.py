"""What the options of `condattest patch` mean, and what they refuse."""

import pytest

from condattest.cli import patch_options
from condattest.errors import Misuse
from condattest.formats.patch_descriptors import Source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_source_is_a_uri_and_a_whole_commit():
    assert patch_options.source_of(None) is None
    assert patch_options.source_of(f"git+https://x.example/p@{COMMIT}") == Source("git+https://x.example/p", COMMIT)
    assert patch_options.source_of(f"git+ssh://git@x.example/p@{COMMIT}") == Source("git+ssh://git@x.example/p", COMMIT)


BAD = ["", "x", f"@{COMMIT}", "x@main", f"x@{COMMIT[:12]}", f"x@{COMMIT.upper()}", f"x@{COMMIT} "]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_source_is_misuse(text):
    with pytest.raises(Misuse, match="URI@COMMIT"):
        patch_options.source_of(text)


def test_every_engine_that_the_options_offer_is_there():
    for name in ("conda-index", "rattler-index"):
        assert patch_options.engine_of(name).name == name
    with pytest.raises(Misuse):
        patch_options.engine_of("quetz")
