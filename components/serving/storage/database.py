"""The service's database: SQLite in one file until it is outgrown, then Postgres; the same code over both."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from components.serving.settings import ServiceError

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 10


def open_database(address: str) -> Engine:
    """Connect, and bring the tables up to date.

    Raises ServiceError where the address is none or the database does not answer.
    """
    try:
        url = make_url(address)
        if url.get_backend_name() == "sqlite":
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin)
        else:
            engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": WAIT_SECONDS})
        with engine.begin() as connection:
            _migrate(connection)
    except (ArgumentError, SQLAlchemyError, ImportError, OSError) as fault:
        raise ServiceError(
            f"The database {address.rsplit('@', maxsplit=1)[-1]} cannot be opened: {str(fault).splitlines()[0]}. "
            "Mend change_log in conf/serving.yaml, or start the database."
        ) from None
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Readers beside a writer, and every commit on the disk before it is told; transactions are begun by hand."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {WAIT_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def reading(engine: Engine) -> Connection:
    """A connection that only reads, and so waits for no writer."""
    return engine.connect().execution_options(only_reads=True)


def _begin(connection: Connection) -> None:
    """Writers queue from their start, so that none finds in its middle that another was quicker."""
    only_reads = connection.get_execution_options().get("only_reads")
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    """Run the migrations that have not run; of several processes one does and the others wait."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7263541)"))
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
