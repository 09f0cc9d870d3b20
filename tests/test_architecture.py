"""The tower stands: imports run one way, and foreign libraries stay on their floors."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "condattest"

# Which floors a floor may import. `errors` knows `model`, so that an exception can carry a finding; everybody else may
# import both. `_version` is a constant.
GROUND = {"model", "errors", "_version"}
ALLOWED = {
    "__init__": GROUND | {"policy", "signatures"},  # the public names, loaded when used
    "_version": set(),
    "model": {"model"},
    "errors": {"model"},
    "formats": GROUND | {"formats"},
    "patches": GROUND | {"formats", "patches"},
    "policy": GROUND | {"formats", "patches", "policy"},
    "transport": GROUND | {"formats", "transport"},
    "signatures": GROUND | {"formats", "signatures"},
    "sandbox": GROUND | {"formats", "signatures", "sandbox"},
    "operations": GROUND | {"formats", "patches", "policy", "transport", "signatures", "operations"},
}
ALLOWED["reports"] = ALLOWED["operations"] | {"reports"}
ALLOWED["proxy"] = ALLOWED["reports"] | {"proxy"}
ALLOWED["cli"] = ALLOWED["proxy"] | {"sandbox", "cli"}
ALLOWED["conda_plugin"] = ALLOWED["reports"] | {"cli", "conda_plugin"}
ALLOWED["__main__"] = {"cli"}

# Foreign libraries, and the only places that may import them.
FOREIGN = {
    "sigstore": ("signatures/", "sandbox/"),
    "sigstore_models": ("signatures/", "sandbox/"),
    "rfc3161_client": ("signatures/", "sandbox/"),
    "tuf": ("signatures/",),
    "requests": ("signatures/", "conda_plugin/"),
    "in_toto_attestation": ("formats/statement.py",),
    "google": ("formats/statement.py",),
    "conda_package_streaming": ("formats/", "sandbox/packages.py"),
    "httpx": ("transport/", "cli/", "proxy/"),
    "pydantic": ("policy/",),
    "tomlkit": ("policy/",),
    "yaml": ("formats/strict_yaml.py",),
    "rich": ("reports/", "cli/"),
    "jinja2": ("reports/",),
    "click": ("cli/",),
    "starlette": ("proxy/",),
    "uvicorn": ("proxy/",),
    "conda": ("conda_plugin/",),
}
CLOCK_READERS = ("cli/", "proxy/", "conda_plugin/", "sandbox/")
VAGUE = {"utils", "util", "helpers", "helper", "base", "manager", "common", "misc"}


@cache
def _files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            assert node.module is not None
            yield node.module
            # `from condattest import errors` imports the module condattest.errors.
            if node.module == "condattest":
                yield from (f"condattest.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_module":
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def _floor(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_its_own_floor_and_those_below(path):
    floor = _floor(path)
    for name in _imports(_tree(path)):
        top, _, rest = name.partition(".")
        if top != "condattest" or not rest:
            continue
        target = rest.split(".")[0]
        assert target in ALLOWED[floor], f"{floor} may not import {name}"


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_foreign_library_stays_where_it_belongs(path):
    place = path.relative_to(SOURCE).as_posix()
    for name in _imports(_tree(path)):
        allowed = FOREIGN.get(name.split(".")[0])
        assert allowed is None or place.startswith(allowed), f"{place} may not import {name}"


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_outermost_floors_read_the_clock(path):
    place = path.relative_to(SOURCE).as_posix()
    if place.startswith(CLOCK_READERS):
        return
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("datetime.now", "datetime.utcnow", "time.time", "date.today"), place


def test_the_model_is_made_of_the_standard_library_alone():
    import sys

    for path in sorted((SOURCE / "model").glob("*.py")):
        for name in _imports(_tree(path)):
            top = name.split(".")[0]
            assert top == "condattest" or top in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_every_floor_is_in_the_table():
    floors = {_floor(path) for path in _files()}
    assert floors <= set(ALLOWED)


def test_no_module_has_a_vague_name():
    named = {path.stem for path in _files()} | {path.parent.name for path in _files()}
    assert not named & VAGUE


def test_every_source_file_has_a_test_namesake():
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [
        str(path.relative_to(SOURCE))
        for path in _files()
        if path.stem not in ("__init__", "__main__", "_version") and f"test_{path.stem}.py" not in tests
    ]
    assert missing == []


def test_source_files_stay_small():
    long = {str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines()) for path in _files()}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}


def test_every_module_says_what_it_owns():
    for path in _files():
        docstring = ast.get_docstring(_tree(path))
        assert docstring, f"{path.relative_to(SOURCE)} has no docstring"
