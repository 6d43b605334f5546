"""Rules about the repository that no single module can keep by itself."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import translators
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind

pytestmark = pytest.mark.without_coverage

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "translators").rglob("*.py"))
SOURCES = sorted(
    path
    for package in ("translators", "proxy", "tests")
    for path in (ROOT / package).rglob("*.py")
    if ".environments" not in path.parts
)
PROXY = [path for path in SOURCES if path.is_relative_to(ROOT / "proxy")]
PRINTS = re.compile(r"^print$|^typer\.s?echo$|^Console$|std(out|err)\.(buffer\.)?write")
PRINTING = {
    *(
        "proxy/terminal.py",
        "proxy/cli/traffic/report.py",
        "proxy/cli/traffic/log.py",
        "proxy/cli/traffic/show.py",
    ),
    *(
        "proxy/cli/traffic/progress.py",
        "proxy/cli/traffic/replay_progress.py",
        "proxy/report/terminal.py",
    ),
}
MAKING = {
    *("mkdir", "makedirs", "mknod", "mkfifo", "touch", "write_text", "write_bytes"),
    *("copyfile", "copy2", "copytree", "symlink_to", "symlink"),
}
WORLDLESS = {
    *("__future__", "collections", "dataclasses", "enum", "fnmatch", "functools", "itertools"),
    *("json", "re", "typing", "msgspec", "translators"),
}
NOT_UNDERSTOOD_YET = {
    *("common", "helper", "helpers", "manager", "misc", "util", "utils"),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def calls_in(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]


def imported_roots(path: Path) -> set[str]:
    roots: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


def public_names(path: Path) -> list[str]:
    """What a module imports from its own package, in the way a façade does."""
    return [
        alias.asname or alias.name
        for node in parsed(path).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def test_translators_import_nothing_that_can_touch_the_world():
    worldly = {name_of(path): imported_roots(path) - WORLDLESS for path in MODULES}

    assert {name: roots for name, roots in worldly.items() if roots} == {}


def test_every_translator_has_its_own_tests():
    untested = [
        name_of(path)
        for path in MODULES
        if path.name != "__init__.py"  # façades; see below
        and not (ROOT / "tests" / path.relative_to(ROOT)).with_name(f"test_{path.name}").is_file()
    ]

    assert untested == []


def test_every_test_of_a_translator_has_its_module():
    """But for the corpus, which belongs to all of them."""
    tests = {
        path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_"))
        for path in (ROOT / "tests" / "translators").rglob("test_*.py")
    }

    assert tests - {path.relative_to(ROOT) for path in MODULES} == {Path("translators/corpus.py")}


def test_the_front_door_is_sorted_complete_and_open():
    # Constants, then classes, then functions: the order ruff keeps.
    constants = sorted(name for name in translators.__all__ if name.isupper())
    classes = sorted(n for n in translators.__all__ if n[0].isupper() and not n.isupper())
    functions = sorted(name for name in translators.__all__ if name[0].islower())

    assert translators.__all__ == [*constants, *classes, *functions]
    assert set(translators.__all__) == set(public_names(ROOT / "translators" / "__init__.py"))
    assert all(hasattr(translators, name) for name in translators.__all__)


def test_what_the_front_door_shows_is_public_where_it_lives():
    modules = [
        importlib.import_module(module_name(path)) for path in MODULES if path.name != "__init__.py"
    ]
    homeless = [
        name
        for name in translators.__all__
        if not any(getattr(each, name, None) is getattr(translators, name) for each in modules)
    ]

    assert homeless == []


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_every_adjustment_is_explained():
    assert set(EXPLANATIONS) == set(REMEDIES) == set(AdjustmentKind)


def test_nothing_is_left_for_later():
    words = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")

    assert [name_of(path) for path in SOURCES if words.search(path.read_text())] == []


def test_directories_and_files_are_made_in_one_place_alone():
    """What `tempfile` makes is its owner's alone, too."""
    makers = [
        (name_of(path), ast.unparse(call))
        for path in PROXY
        if path.name != "private_files.py"
        for call in calls_in(path)
        if may_make_something(call)
    ]

    assert makers == []


def test_what_is_printed_goes_through_what_makes_it_printable():
    """Pages and tables of ours do so by themselves; `proxy/cli/test_hostile_text.py` tries them."""
    printers = [
        (name_of(path), ast.unparse(call.func))
        for path in PROXY
        if name_of(path) not in PRINTING
        for call in calls_in(path)
        if PRINTS.search(ast.unparse(call.func))
    ]

    assert printers == []


def may_make_something(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in {"open", "fdopen"}:
        modes = [each.value for each in given if isinstance(each, ast.Constant)]
        is_new = ast.unparse(call.func) != "os.fdopen"
        return "O_CREAT" in ast.unparse(call) or (
            is_new and any(set(str(mode)) & set("wax+") for mode in modes)
        )
    return name in MAKING


def test_every_module_is_named_for_an_idea():
    unnamed = [
        name_of(path)
        for path in SOURCES
        if NOT_UNDERSTOOD_YET.intersection([path.stem, *path.relative_to(ROOT).parts[:-1]])
    ]

    assert unnamed == []


def test_every_translator_says_what_it_is_for():
    assert [name_of(path) for path in MODULES if not ast.get_docstring(parsed(path))] == []
