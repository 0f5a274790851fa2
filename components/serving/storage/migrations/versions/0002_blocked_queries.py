"""Counts of blocked queries by day and category, and reports of blocked queries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
COUNTING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "blocked_counts",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("category", sa.String(40), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "block_reports",
        sa.Column("number", COUNTING, primary_key=True, autoincrement=True),
        sa.Column("first_at", sa.Float, nullable=False),
        sa.Column("query", sa.String(1000), nullable=False, unique=True),
        sa.Column("comment", sa.String(500), nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("block_reports", "blocked_counts"):
        op.drop_table(table)
