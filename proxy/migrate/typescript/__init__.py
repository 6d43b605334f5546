"""
JavaScript and TypeScript: files are read with ast-grep, and edited at the characters of its nodes.

    nodes -> source -> texts -> arguments -> LegacyCall -> plan_call -> NewCall -> edits
                sites ----------------------------------------------------^
                answers: what the program does with what it gets

`examine_javascript`, `examine_typescript` and `examine_tsx` are for the suffixes of each grammar.
"""

from proxy.migrate.typescript.examining import (
    examine_javascript,
    examine_tsx,
    examine_typescript,
)

__all__ = ["examine_javascript", "examine_tsx", "examine_typescript"]
