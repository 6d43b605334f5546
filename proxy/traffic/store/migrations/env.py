"""What Alembic runs: over the connection of whoever opens the store, in its transaction."""

from alembic import context

from proxy.traffic.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # on SQLite, too, where the transaction is begun by hand
)
context.run_migrations()
