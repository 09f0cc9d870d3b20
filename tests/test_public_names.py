"""What the package promises to others stays there."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import condattest
from condattest.model.finding import Code

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "condattest"


def test_all_is_sorted_and_complete():
    names = list(condattest.__all__)
    assert names == sorted(names)
    for name in names:
        assert getattr(condattest, name) is not None
    assert {name for name in vars(condattest) if name in names} <= set(names)


def test_public_names_load_lazily_and_unknown_ones_raise():
    module = importlib.reload(condattest)
    assert module.Evidence.__name__ == "Evidence"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def test_every_public_name_has_a_docstring():
    for name in condattest.__all__:
        value = getattr(condattest, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


def test_the_version_is_stated_once():
    from condattest._version import __version__

    assert condattest.__version__ == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_readme_lists_every_finding_code():
    text = (ROOT / "README.md").read_text("utf-8")
    listed = set(re.findall(r"^\| <a id=\"([a-z0-9-]+)\">", text, re.MULTILINE))
    assert listed == {code.anchor for code in Code}


def test_the_readme_gives_each_code_its_own_meaning():
    text = (ROOT / "README.md").read_text("utf-8")
    for code in Code:
        assert f"</a>`{code}` | {code.severity} | {code.meaning} |" in text, code


def test_no_module_uses_private_names_of_another_module():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("condattest"):
                private = [alias.name for alias in node.names if re.match(r"_[a-z]", alias.name)]
                assert private in ([], ["_version"]), f"{path.name} imports {private} from {node.module}"
