"""
From recorded traffic to what its owners can act on.

    Store -> sums (GROUP BY in the database) -> Report -> terminal, HTML, markdown, JSON

A `Report` is a frozen value and holds all that any format shows; JSON is the
value itself. Nothing in here asks a database or reads a clock: `sums` come
from `proxy.traffic`, the moment is handed in.
"""
