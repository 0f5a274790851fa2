"""Authorization of requests by the scopes of API keys, and rate limits."""

from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from math import ceil
from time import monotonic
from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey, Scope, find_key

# auto_error=False: reads without a key are allowed from this machine, so a missing header is no error yet
BEARER = HTTPBearer(auto_error=False, description="A key from `tandem keys create`")
WINDOW_SECONDS = 60
CHALLENGE = {"WWW-Authenticate": "Bearer"}
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


class Authorizer:
    """Authorizes and counts requests.

    Reads need a key unless they come from this machine or the setting `open_reads` is on; writes always need one.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.settings = service, service.settings
        # One Counter instead of the library `limits`, whose memory storage starts a thread for most requests.
        # `limits` would be worth it once several processes share their counts, in Redis.
        self._counts, self._window_end = Counter[str](), 0.0

    def require_scope(
        self, scope: Scope, rate: Literal["report"] | None = None
    ) -> Callable[..., Awaitable[ApiKey | None]]:
        """Return the dependency that lets in requests which may do what the scope names.

        The dependency returns the key, or None for a read that needs no key, and raises HTTPException 401, 403 or 429.
        rate: a limit of its own for these requests, where the one of the scope is too wide.
        """
        settings = self.settings
        limits = {"read": settings.reads_per_minute, "report": settings.reports_per_minute}
        counted = rate or scope
        limit = limits.get(counted, settings.writes_per_minute)

        async def authorize_request(request: Request, credentials: Bearer) -> ApiKey | None:
            host = request.client.host if request.client else ""
            key = await self._find_key(host, credentials.credentials) if credentials else None
            if key is None and (scope != "read" or not (settings.open_reads or _is_loopback(host))):
                raise HTTPException(
                    401, "This needs a key. Send it as: Authorization: Bearer ...", headers=CHALLENGE
                )
            if key is not None and not key.has_scope(scope):
                raise HTTPException(
                    403, f"The key {key.name} may not {scope}. Use one whose scope is {scope}."
                )
            self._count_request(f"{counted} {key.name if key else host}", limit)
            return key

        return authorize_request

    async def _find_key(self, host: str, token: str) -> ApiKey:
        """Return the key of a token; raise 401 for an unknown one and 429 after too many of these."""
        counter, limit = f"wrong {host}", self.settings.wrong_keys_per_minute
        # Before the key is looked up: someone who guesses does not reach the database, or learn of a right guess
        if self._current_counts()[counter] >= limit:
            raise self._rate_error(limit)
        key = await run_in_threadpool(find_key, self.service.log.engine, token)
        if key is None:
            self._count_request(counter, limit)
            raise HTTPException(401, "This key is not known or was revoked.", headers=CHALLENGE)
        return key

    def _count_request(self, counter: str, limit: int) -> None:
        counts = self._current_counts()
        counts[counter] += 1
        if counts[counter] > limit:
            raise self._rate_error(limit)

    def _current_counts(self) -> Counter[str]:
        """Return the counts of this minute, which began with its first request."""
        # All counts are dropped at once, so memory is bounded by the clients of one minute
        if monotonic() >= self._window_end:
            self._counts, self._window_end = Counter(), monotonic() + WINDOW_SECONDS
        return self._counts

    def _rate_error(self, limit: int) -> HTTPException:
        seconds = ceil(self._window_end - monotonic())
        return HTTPException(
            429, f"More than {limit} a minute. Wait {seconds} seconds.", headers={"Retry-After": str(seconds)}
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a Unix socket has no address
        return False
