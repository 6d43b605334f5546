"""
Turn recorded traffic into a report that the owners of callers can act on.

    Store -> sums (GROUP BY in the database) -> Report -> terminal, HTML, markdown, JSON

A `Report` is a frozen value that holds all that any format shows; the JSON is
that value itself. Nothing in this package queries a database or reads a clock:
the sums come from `proxy.traffic`, and the time is passed in.
"""
