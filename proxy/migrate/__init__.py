"""
Rewrite the source of programs that call the legacy API into calls of the Messages API.

    source -> LegacyCall -> NewCall or Reason -> edits of the source
         read         plan                  write

Reading and writing is the work of a language (`python/` and others beside it), planning that of
the core, which knows no language. The core asks the same planner as the proxy, so that a rewritten
program sends what Holdover sends for the old one.

The values that pass between a language and the core:

* `Text`: a text of the program as a tuple of parts, each a string (what the literal says, with
  escapes resolved) or a `Hole`: an expression whose value is not known. `Hole.source` is the
  expression as it is written. `Hole.form` belongs to the language (a format such as `!r:>8`, a
  mark that the value needs no conversion); the core hands it back untouched. A language says
  `is_marker_free` where it knows that the value holds no markers (a number, a name assigned once
  to a literal without them), and `is_repeatable` where the expression may be written twice.
* `Expression`: a value that is an expression as a whole, such as `max_tokens=limit`.
* `LegacyCall`: the arguments of a call, each a literal's value, a `Text`, an `Expression`, or None
  if it is not given. Names that are assigned once to a literal are followed by the language.
* `plan_call(call, target)` returns a `NewCall` (its texts have the holes again), or a `Reason` for
  which the call must be left alone. A hole with `is_rstripped` is written with its white space
  at the end taken off. `NewCall.looks` says why a person must look at it; `NewCall.edges` names
  holes whose first space the old prompt took for the marker's own.
* `Finding`: one legacy use of a file with its verdict, and `Edit`: characters of the file's text
  that are replaced. `Examined` is what a language returns for the text of one file; a language is
  a function `(text, target) -> Examined`, entered with its suffixes in `languages.py`.

* `CallTraits`: what the source says of the requests of a call, be it read as a whole or not. With
  it a `Finding` can be matched with recorded requests, which become its `Evidence`.

Law: for all values of the holes that hold no markers, the Messages request of the new call is that
of the proxy's plan for the old prompt, but for adjustments and edges that are named.
"""

from proxy.migrate.calls import Expression, LegacyCall, NewCall, NewMessage, Reason
from proxy.migrate.findings import Edit, Examined, Finding, Verdict, apply_edits
from proxy.migrate.planning import Target, plan_call
from proxy.migrate.text import Hole, Text, text_of

__all__ = [
    "Edit",
    "Examined",
    "Expression",
    "Finding",
    "Hole",
    "LegacyCall",
    "NewCall",
    "NewMessage",
    "Reason",
    "Target",
    "Text",
    "Verdict",
    "apply_edits",
    "plan_call",
    "text_of",
]
