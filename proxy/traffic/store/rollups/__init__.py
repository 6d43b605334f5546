"""
Rollups: sums of the recorded exchanges by time bucket and group, which reports read.

`sums` adds up records, and `write` adds that to the store, in the transaction that stores the
records. `compact` turns minutes into hours and hours into days. `build` adds the records that
were stored without rollups, and `compare` finds out where the two differ. Rollups outlive
their records, and `ledger` notices if somebody deletes them.
"""
