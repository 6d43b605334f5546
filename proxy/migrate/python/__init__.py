"""
Read and rewrite legacy calls in Python.

    source.py    the tree of a file, with positions, scopes and imports
    texts.py     expression -> Text: literals, f-strings, sums, names that are assigned once
    arguments.py arguments of a call or entries of a dictionary -> LegacyCall -> edits
    mixing.py    what of a file holds markers
    writing.py   Text and values -> Python
    answers.py   what the program does with the answer
    first_space.py  what it does with the space that the old one began with
    by_hand.py   the arguments to write where a call is left to a person
    sdk.py       calls of the SDK
    bodies.py    requests that programs build themselves, and bodies for Bedrock
    langchain.py LangChain's old classes
    rest.py      what is only listed: mocks, exceptions, counting of tokens, leftover constants
    examining.py all of these for one file
    notebooks.py the code cells of a notebook as one file

Files are edited as text, so that all that is not replaced stays as it is, byte by byte.
"""

from proxy.migrate.python.examining import examine
from proxy.migrate.python.notebooks import examine_notebook

__all__ = ["examine", "examine_notebook"]
