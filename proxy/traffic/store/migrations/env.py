"""Entry point for Alembic; it runs on the connection and in the transaction of `migrate`."""

from alembic import context

from proxy.traffic.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # also on SQLite, because `engines` begins transactions explicitly
)
context.run_migrations()
