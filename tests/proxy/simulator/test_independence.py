"""The simulator shares no code with the translators, so that it can disagree with them."""

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


@pytest.mark.one_in(6)
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_simulator_imports_no_other_part_of_the_project(path):
    for module in imported(path):
        assert module.startswith("proxy.simulator") or module.partition(".")[0] in ALLOWED
