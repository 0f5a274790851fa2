"""The tables of the service's database, as alembic's migrations create them."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()
# SQLite numbers rows only in a column whose type is exactly INTEGER
Counting = BigInteger().with_variant(Integer, "sqlite")

changes = Table(
    "changes",
    metadata,
    Column("sequence", Counting, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("item_id", String(200)),
    Column("user_id", String(200)),
    Column("body", Text),
    Column("encoder", String(64)),
    Column("vector", LargeBinary),
    Index("changes_of_items", "item_id"),
    Index("changes_of_users", "user_id"),
    # Without it SQLite gives the number of a deleted last row again, and a worker that has seen it misses the new row
    sqlite_autoincrement=True,
)

# One random id: a bundle that was made with another log must not skip changes of this one
log = Table("log", metadata, Column("identity", String(32), primary_key=True))

audit = Table(
    "audit",
    metadata,
    Column("number", Counting, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("key_name", String(100), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("count", Integer, nullable=False),
    Column("subject", String(200)),
    sqlite_autoincrement=True,
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("scope", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

blocked_counts = Table(
    "blocked_counts",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("category", String(40), primary_key=True),
    Column("count", Integer, nullable=False),
)

block_reports = Table(
    "block_reports",
    metadata,
    Column("number", Counting, primary_key=True, autoincrement=True),
    Column("first_at", Float, nullable=False),
    Column("query", String(1000), nullable=False, unique=True),
    Column("comment", String(500), nullable=False),
    Column("category", String(40), nullable=False),
    Column("score", Float, nullable=False),
    Column("times", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    sqlite_autoincrement=True,
)
