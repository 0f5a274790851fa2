"""ASGI middleware: a limit on the size of bodies, security headers, and the time of each request."""

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving import metrics
from components.serving.problems import problem_response

# Own scripts and styles only, no inline code and no frames; pictures of items may come from any https address
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: https:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class BodyLimit:
    """Answers 413 to a body of more than `max_bytes`.

    Paths in `streamed_paths` are let through: their endpoints limit each line while they read it.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, streamed_paths: frozenset[str]) -> None:
        self.app, self.max_bytes, self.streamed_paths = app, max_bytes, streamed_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then call the app with it or answer 413."""
        has_body = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD")
        if not has_body or scope["path"] in self.streamed_paths:
            await self.app(scope, receive, send)
            return
        # Bytes are counted as they come: Content-Length may be wrong, and chunked bodies have none
        messages: list[Message] = []
        size, has_more = 0, True
        while has_more and size <= self.max_bytes:
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
            has_more = messages[-1].get("more_body", False)
        if size > self.max_bytes:
            refusal = problem_response(
                413, f"The body is larger than {self.max_bytes} bytes. Send less at once."
            )
            await refusal(scope, receive, send)
            return
        waiting = iter(messages)

        async def receive_again() -> Message:
            # After the body the app may still listen for the client's disconnect
            return next(waiting, None) or await receive()

        await self.app(scope, receive_again, send)


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app and add the headers where its response starts."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class RequestMetrics:
    """Measures the time of each request by route and status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app and measure its time."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), 500  # 500 stays where the app fails before its response starts

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            # By route, not by address: made-up addresses would each be a time series of their own
            route = getattr(scope.get("route"), "path", "none")
            metrics.REQUESTS.labels(route, str(status)).observe(perf_counter() - started)
