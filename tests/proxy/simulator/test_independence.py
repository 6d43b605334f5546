"""The simulator must be able to disagree with the translators."""

import ast
import sys
from pathlib import Path

import pytest

import proxy.simulator

HOME = Path(proxy.simulator.__file__).parent
MODULES = sorted(HOME.glob("*.py"))
ALLOWED = set(sys.stdlib_module_names) | {"msgspec", "starlette"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_it_imports_nothing_of_the_project_but_itself(path):
    for module in imported(path):
        assert module.startswith("proxy.simulator") or module.partition(".")[0] in ALLOWED
