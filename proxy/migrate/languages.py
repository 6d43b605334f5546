"""The languages that are rewritten, by the suffixes of their files; loaded when they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias, cast

from proxy.migrate.findings import Examined
from proxy.migrate.planning import Target

Examine: TypeAlias = Callable[[str, Target], Examined]

_PYTHON: Final = ("libcst", "proxy.migrate.python", "examine")
_JAVASCRIPT: Final = ("ast_grep_py", "proxy.migrate.typescript", "examine_javascript")
_TYPESCRIPT: Final = ("ast_grep_py", "proxy.migrate.typescript", "examine_typescript")
_LANGUAGES: Final[Mapping[str, tuple[str, str, str]]] = {
    ".py": _PYTHON,
    ".pyi": _PYTHON,
    ".ipynb": ("libcst", "proxy.migrate.python", "examine_notebook"),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
    ".tsx": ("ast_grep_py", "proxy.migrate.typescript", "examine_tsx"),
}
"""Suffix -> the package that parses the language, our module, and the function in it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A language whose parser is not installed."""

    package: str


@cache
def language_of(suffix: str) -> Examine | Missing | None:
    """Return what examines files with a suffix; None for a language that is only listed."""
    if suffix not in _LANGUAGES:
        return None
    package, module, function = _LANGUAGES[suffix]
    try:
        importlib.import_module(package)
    except ImportError:
        return Missing(package.replace("_", "-"))
    # Inside of a wheel our packages have another name.
    ours = __name__.removesuffix("proxy.migrate.languages") + module
    return cast("Examine", getattr(importlib.import_module(ours), function))
