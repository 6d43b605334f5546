"""The database of records and bodies: schema, engines, queries, sums and retention."""
