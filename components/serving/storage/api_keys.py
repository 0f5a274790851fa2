"""API keys: who may read, write, or see and erase people; only their hashes are kept."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.serving.settings import ServiceError
from components.serving.storage.database import reading
from components.serving.storage.db_schema import keys

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
TOKEN = re.compile(r"tandem_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """Whom a token belongs to, and how far it goes: a wider scope holds the narrower ones."""

    name: str
    scope: Scope

    def allows(self, wanted: Scope) -> bool:
        """Whether the key goes as far as that."""
        return SCOPES.index(self.scope) >= SCOPES.index(wanted)


def create_key(engine: Engine, name: str, scope: Scope) -> str:
    """Make a key and give its token, which is shown once and kept nowhere.

    Raises ServiceError where the name is taken.
    """
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = {"key_id": key_id, "name": name, "scope": scope, "sha256": _hash(secret), "created_at": time.time()}
    try:
        with engine.begin() as connection:
            connection.execute(insert(keys).values(row))
    except IntegrityError:
        raise ServiceError(
            f"There is a key named {name}. Take another name, or revoke that one: tandem keys revoke {name}"
        ) from None
    return f"tandem_{key_id}_{secret}"


def revoke_key(engine: Engine, name: str) -> None:
    """Make a key worthless at once, in every worker.

    Raises ServiceError where there is none of that name.
    """
    with engine.begin() as connection:
        revoked = connection.execute(
            update(keys)
            .where(keys.c.name == name, keys.c.revoked_at.is_(None))
            .values(revoked_at=time.time())
        )
    if not revoked.rowcount:
        raise ServiceError(f"There is no key named {name} that is in use. See them with: tandem keys list")


def list_keys(engine: Engine) -> list[dict[str, object]]:
    """Name, scope, and when each key was made and revoked."""
    shown = select(keys.c.name, keys.c.scope, keys.c.created_at, keys.c.revoked_at).order_by(
        keys.c.created_at
    )
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(shown)]


def find_key(engine: Engine, token: str) -> ApiKey | None:
    """Whose token it is; None where it is nobody's or was revoked. The secret is compared in constant time."""
    parts = TOKEN.fullmatch(token)
    if parts is None:
        return None
    wanted = select(keys).where(keys.c.key_id == parts[1], keys.c.revoked_at.is_(None))
    with reading(engine) as connection:
        row = connection.execute(wanted).first()
    known = row.sha256 if row is not None else "0" * 64
    return (
        ApiKey(row.name, row.scope)
        if hmac.compare_digest(known, _hash(parts[2])) and row is not None
        else None
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
