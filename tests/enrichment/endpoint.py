"""A server that speaks the OpenAI chat format, misbehaves on command, and counts what it is asked about each item."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SUMMARY = "Two friends cross a wide country by train and slowly learn to trust each other again."
WISHES = [
    "friends on a train",
    "I would like a quiet story about two friends who travel together.",
    "My sister and I are going on a long journey next week, and we would love something calm about people who "
    "find each other again after many years.",
    "What was the one where they miss the last train and have to walk through the night?",
    "Something gentle for a Sunday evening, without any fighting in it.",
]


@dataclass(frozen=True)
class Asked:
    """A request: the data of the item, how many there have been about it with this one, its body, key and time."""

    item: dict[str, Any]
    number: int
    body: dict[str, Any]
    key: str
    seconds: float

    @property
    def item_id(self) -> str:
        return str(self.item["item_id"])

    @property
    def form(self) -> str | None:
        """The form of the answer that is asked for."""
        form: str | None = self.body.get("response_format", {}).get("type")
        return form

    @property
    def is_correction(self) -> bool:
        """Whether the model is shown an answer of its own again."""
        return len(self.body["messages"]) > 2


@dataclass(frozen=True)
class Reply:
    """What the server sends, after so many seconds.

    raw: instead of a completion. cut: close the connection half-way.
    """

    text: str | None = None
    refusal: str | None = None
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 500, "completion_tokens": 400}
    )
    seconds: float = 0.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        return json.dumps(answer | {"usage": self.usage}).encode()


Behaviour = Callable[[Asked], Reply]


def describe(item: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """An answer that every check believes, but for the changes."""
    answer = {
        "item_id": item["item_id"],
        "known": True,
        "summary": SUMMARY,
        "themes": ["friendship", "travel"],
        "moods": ["calm"],
        "for_whom": {"ages": [], "companions": [], "gender": ""},
        "occasions": [],
        "people_and_makers": [],
        "place_and_time": "",
        "similar_to": [],
        "content_warnings": {},
        "keywords": ["train journey", "old friends", "reunion"],
        "wishes": WISHES,
    }
    return answer | changes


def well(asked: Asked) -> Reply:
    """What a good model replies."""
    return Reply(json.dumps(describe(asked.item)))


def refuse(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI words it; of names of headers, `_` stands for `-`."""
    error = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Reply(
        raw=json.dumps(error).encode(),
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class Endpoint:
    """The server; `behave` may be set to another behaviour at any time."""

    def __init__(self, behave: Behaviour = well) -> None:
        self.behave = behave
        self.asked: list[Asked] = []
        self.answered: list[str] = []  # ids of items whose answers were sent whole
        self._lock, self.closing = threading.Lock(), threading.Event()
        self._server = _QuietServer(("127.0.0.1", 0), _handler_of(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def counts(self) -> Counter[str]:
        """The number of requests about each item."""
        return Counter(asked.item_id for asked in self.asked)

    def receive(self, body: dict[str, Any], key: str) -> Asked:
        item = json.loads(body["messages"][1]["content"])
        with self._lock:
            asked = Asked(item, self.counts[item["item_id"]] + 1, body, key, time.monotonic())
            self.asked.append(asked)
        return asked

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone, as killed ones are."""


def _handler_of(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = endpoint.receive(body, self.headers.get("Authorization", "").removeprefix("Bearer "))
            reply = endpoint.behave(asked)
            if endpoint.closing.wait(reply.seconds):
                return
            data = reply.body()
            headers = {"Content-Type": "application/json"} | dict(reply.headers)
            self.send_response(reply.status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if reply.cut:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return
            self.wfile.write(data)
            if reply.status == 200:
                endpoint.answered.append(asked.item_id)

        def log_message(self, *_: object) -> None:
            """The tests count; nobody reads a log."""

    return Handler
