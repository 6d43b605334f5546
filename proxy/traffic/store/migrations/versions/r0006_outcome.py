"""Adds the outcome of exchanges, derived from other columns in older rows."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
_UNAUTHORIZED = 401
_UNAVAILABLE = 503


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("outcome", sa.String))
    names = ("route", "status", "error_type", "blame", "client_gone", "outcome")
    exchanges = sa.table("exchanges", *map(sa.column, names))
    row = exchanges.c
    outcome = sa.case(
        (row.client_gone.is_(sa.true()), "client_gone"),
        (sa.and_(row.error_type.is_(None), row.blame == "nobody"), "answered"),
        (sa.and_(row.blame == "nobody", row.route == "refuse"), "refused"),
        (row.blame == "nobody", "model_refused"),
        (
            sa.and_(row.blame == "client", row.route.is_(None), row.status == _UNAUTHORIZED),
            "not_admitted",
        ),
        (row.blame == "client", "client_error"),
        (row.blame == "upstream", "upstream_error"),
        (row.status == _UNAVAILABLE, "cut_off"),
        else_="holdover_error",
    )
    op.execute(sa.update(exchanges).values(outcome=outcome))
