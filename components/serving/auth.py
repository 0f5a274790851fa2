"""Who is let in, how often, and with how much: scopes, rate limits and the size of a body."""

from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from math import ceil
from time import monotonic
from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.errors import problem
from components.serving.service import Service
from components.serving.storage.api_keys import ApiKey, find_key
from components.serving.storage.api_keys import Scope as KeyScope

BEARER = HTTPBearer(auto_error=False, description="A key from `tandem keys create`")
MINUTE = 60
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


class Authorizer:
    """Lets requests in: reads without a key only from this machine unless settings open them, writes only with one."""

    def __init__(self, service: Service) -> None:
        self.service, self.settings = service, service.settings
        self._came, self._until = Counter[str](), 0.0

    def requires(
        self, scope: KeyScope, rate: Literal["report"] | None = None
    ) -> Callable[..., Awaitable[ApiKey | None]]:
        """The dependency that lets in who may do what the scope names; gives the key, None of who needs none.

        rate: what is counted apart, where fewer are let in than the scope says.
        """
        settings = self.settings
        rates = {"read": settings.reads_per_minute, "report": settings.reports_per_minute}

        async def enter(request: Request, given: Bearer) -> ApiKey | None:
            host = request.client.host if request.client else ""
            key = await self._key(host, given.credentials) if given else None
            if key is None and (scope != "read" or not (self.settings.open_reads or _is_this_machine(host))):
                raise HTTPException(
                    401,
                    "This needs a key. Send it as: Authorization: Bearer ...",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            if key is not None and not key.allows(scope):
                raise HTTPException(
                    403, f"The key {key.name} may not {scope}. Use one whose scope is {scope}."
                )
            counted = rate or scope
            self._count(
                f"{counted} {key.name if key else host}", rates.get(counted, settings.writes_per_minute)
            )
            return key

        return enter

    async def _key(self, host: str, token: str) -> ApiKey:
        wrong, most = f"wrong {host}", self.settings.failures_per_minute
        if self._this_minute()[wrong] >= most:
            raise self._too_many(most)
        key = await run_in_threadpool(find_key, self.service.log.engine, token)
        if key is None:
            self._count(wrong, most)
            raise HTTPException(
                401, "This key is not known or was revoked.", headers={"WWW-Authenticate": "Bearer"}
            )
        return key

    def _count(self, who: str, most: int) -> None:
        came = self._this_minute()
        came[who] += 1
        if came[who] > most:
            raise self._too_many(most)

    def _this_minute(self) -> Counter[str]:
        """How often each has come in this minute, which began with its first request; nothing older is kept."""
        if monotonic() >= self._until:
            self._came, self._until = Counter(), monotonic() + MINUTE
        return self._came

    def _too_many(self, most: int) -> HTTPException:
        left = ceil(self._until - monotonic())
        return HTTPException(
            429, f"More than {most} a minute. Wait {left} seconds.", headers={"Retry-After": str(left)}
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class BodyLimit:
    """Refuses bodies that are too large; streams of lines are limited where they are read."""

    def __init__(self, app: ASGIApp, most: int, streams: frozenset[str]) -> None:
        self.app, self.most, self.streams = app, most, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body and answer as the app does, or that it is too large."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or scope["path"] in self.streams:
            await self.app(scope, receive, send)
            return
        read: list[Message] = []
        size, more = 0, True
        while more and size <= self.most:
            read.append(await receive())
            size += len(read[-1].get("body", b""))
            more = read[-1].get("more_body", False)
        if size > self.most:
            refusal = problem(413, f"The body is larger than {self.most} bytes. Send less at once.")
            await refusal(scope, receive, send)
            return
        waiting = iter(read)

        async def again() -> Message:
            return next(waiting, None) or await receive()

        await self.app(scope, again, send)
