"""The engine of the service's database: SQLite in one file, or Postgres once that is outgrown."""

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
    """Connect to a database and run the migrations that it lacks.

    Raises ServiceError where the address is wrong or the database does not answer.
    """
    try:
        url = make_url(address)
        if url.get_backend_name() == "sqlite":
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
            # Entries are written in a thread of their own, with connections that another thread may have opened
            engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_transaction)
        else:
            # pool_pre_ping: a Postgres that restarted leaves dead connections in the pool
            engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": WAIT_SECONDS})
        with engine.begin() as connection:
            _run_migrations(connection)
    except (ArgumentError, SQLAlchemyError, ImportError, OSError) as error:
        raise ServiceError(
            f"The database {address.rsplit('@', maxsplit=1)[-1]} cannot be opened: {str(error).splitlines()[0]}. "
            "Correct change_log in conf/serving.yaml, or start the database."
        ) from None
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Set up a connection so that readers run beside a writer, and every commit is on the disk when it returns."""
    connection.isolation_level = None  # else Python's sqlite3 begins transactions itself
    for pragma in ("journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {WAIT_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def open_reader(engine: Engine) -> Connection:
    """Return a connection that only reads, and so waits for no writer."""
    return engine.connect().execution_options(only_reads=True)


def _begin_transaction(connection: Connection) -> None:
    """Begin a transaction; one that writes takes the lock at its start."""
    # A plain BEGIN takes the lock at the first write, and fails there where another writer was quicker
    only_reads = connection.get_execution_options().get("only_reads")
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _run_migrations(connection: Connection) -> None:
    """Run the migrations that have not run yet."""
    # Of several workers that start together one migrates and the others wait: SQLite by its lock, Postgres by this
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7263541)"))
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
