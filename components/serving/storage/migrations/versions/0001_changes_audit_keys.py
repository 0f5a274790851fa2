"""Changes and the identity of their log, the audit of writes, and keys."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
# Not imported from db_schema: a migration must stay as it was when the tables change
COUNTING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "changes",
        sa.Column("sequence", COUNTING, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("item_id", sa.String(200)),
        sa.Column("user_id", sa.String(200)),
        sa.Column("body", sa.Text),
        sa.Column("encoder", sa.String(64)),
        sa.Column("vector", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_of_items", "changes", ["item_id"])
    op.create_index("changes_of_users", "changes", ["user_id"])
    log = op.create_table("log", sa.Column("identity", sa.String(32), primary_key=True))
    op.bulk_insert(log, [{"identity": secrets.token_hex(16)}])
    op.create_table(
        "audit",
        sa.Column("number", COUNTING, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("key_name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(200)),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "keys",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("keys", "audit", "log", "changes"):
        op.drop_table(table)
