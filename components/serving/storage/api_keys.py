"""API keys and their scopes: read, write, or admin, which sees and erases users; only hashes of keys are kept."""

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
from components.serving.storage.database import open_reader
from components.serving.storage.db_schema import keys

Scope = Literal["read", "write", "admin"]
# From the narrowest to the widest: has_scope compares their places
SCOPES: tuple[Scope, ...] = get_args(Scope)
TOKEN = re.compile(r"tandem_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """The name and the scope of a key; a wider scope includes the narrower ones."""

    name: str
    scope: Scope

    def has_scope(self, scope: Scope) -> bool:
        """Return whether the key may do what a scope names."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def create_key(engine: Engine, name: str, scope: Scope) -> str:
    """Create a key and return its token, which is stored nowhere.

    Raises ServiceError where the name is taken.
    """
    # The token holds the row's id, so that finding a key compares one hash and not all
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = {
        "key_id": key_id,
        "name": name,
        "scope": scope,
        "sha256": _hash_secret(secret),
        "created_at": time.time(),
    }
    try:
        with engine.begin() as connection:
            connection.execute(insert(keys).values(row))
    except IntegrityError:
        raise ServiceError(
            f"There is a key named {name}. Take another name, or revoke that one: tandem keys revoke {name}"
        ) from None
    return f"tandem_{key_id}_{secret}"


def revoke_key(engine: Engine, name: str) -> None:
    """Revoke a key, in every worker at once.

    Raises ServiceError where no key in use has that name.
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
    """Return name, scope, and times of creation and revocation of each key, the oldest first."""
    columns = (keys.c.name, keys.c.scope, keys.c.created_at, keys.c.revoked_at)
    with open_reader(engine) as connection:
        return [*map(dict, connection.execute(select(*columns).order_by(keys.c.created_at)).mappings())]


def find_key(engine: Engine, token: str) -> ApiKey | None:
    """Return the key of a token, or None where there is none or it was revoked."""
    parts = TOKEN.fullmatch(token)
    if parts is None:
        return None
    query = select(keys).where(keys.c.key_id == parts[1], keys.c.revoked_at.is_(None))
    with open_reader(engine) as connection:
        row = connection.execute(query).first()
    # Hashed and compared in constant time even without a row, so that the time of an answer tells nothing of a key
    is_right = hmac.compare_digest("0" * 64 if row is None else row.sha256, _hash_secret(parts[2]))
    return ApiKey(row.name, row.scope) if is_right and row is not None else None


def _hash_secret(secret: str) -> str:
    # Secrets are 32 random bytes, which nobody can guess: they need no salt and no slow hash as passwords do
    return hashlib.sha256(secret.encode()).hexdigest()
