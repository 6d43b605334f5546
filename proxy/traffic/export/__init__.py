"""
Export: whole days of records as files that other engines read, in directories by kind and day.

    DIRECTORY/export.json                                     `manifest`: what is there
    DIRECTORY/exchanges/date=2026-11-23/exchanges.parquet     `parquet`, or .jsonl.gz: `json_lines`
    DIRECTORY/shadows/date=2026-11-23/shadows.parquet

`run` writes each day beside its place and renames it, so that a run may be interrupted at any
moment, and the next one goes on.
"""
