"""A language model behind an OpenAI-compatible endpoint: one chat in, one answer out, with its tokens."""

import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import openai
from pydantic import ValidationError

from components.enrichment.description import Answer
from components.enrichment.settings import EnrichmentError, EnrichmentSettings

Messages = Sequence[dict[str, str]]
MAX_SHOWN = 2000  # characters of a wrong answer that the model is shown again
NO_KEY = "no-key"  # a server of one's own asks for none, but the client wants one
OUT_OF_MONEY = "insufficient_quota"


class AskingStoppedError(Exception):
    """A fault that every further request would meet; the message says what to do."""


class RequestLostError(Exception):
    """A request that got no answer, though others may."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote, with the tokens that it read and wrote, and the number of requests."""

    text: str
    input_tokens: int
    output_tokens: int
    requests: int = 1


class Pacer:
    """Spreads requests evenly over the minute, for all threads together."""

    def __init__(self, per_minute: float) -> None:
        self._interval, self._next = 60 / per_minute, 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        with self._lock:
            now = time.monotonic()
            due = max(now, self._next)
            self._next = due + self._interval
        time.sleep(due - now)


class LanguageModel:
    """Asks a server's model; several addresses are asked in turn. Safe for threads.

    The client tries again, with growing waits or after `Retry-After`, where a fault may pass: no connection, a timeout,
    408, 409, 429 and 5xx.
    """

    def __init__(self, settings: EnrichmentSettings, schema: dict[str, Any]) -> None:
        self.settings = settings
        key = os.environ.get(settings.key_variable, "").strip() or NO_KEY
        if not (key.isascii() and key.isprintable()):
            raise EnrichmentError(
                f"The environment variable {settings.key_variable} holds no key: it has signs that no key has. Copy it again."
            )
        self._clients = [
            openai.OpenAI(
                base_url=address, api_key=key, timeout=settings.timeout_seconds, max_retries=settings.retries
            )
            for address in settings.addresses
        ]
        # It would print a line for each request between the lines of the progress bar
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self._turn, self._pacer = count(), Pacer(settings.requests_per_minute)
        # From the strictest on: a server that knows no JSON schemas refuses the request, and the next form is tried
        self._formats: list[Any] = [
            {"type": "json_schema", "json_schema": {"name": "description", "schema": schema}},
            {"type": "json_object"},
            openai.omit,
        ]

    def describe(self, messages: Messages) -> Completion:
        """Return the model's answer to a chat; one that is not valid JSON of the schema is repaired by it once.

        Raises AskingStoppedError or RequestLostError.
        """
        first = self._complete(messages)
        error = find_fault(first.text)
        if error is None:
            return first
        correction = f"That is not valid: {error}. Write the whole JSON object again, valid and complete."
        try:
            second = self._complete(
                [
                    *messages,
                    {"role": "assistant", "content": first.text[:MAX_SHOWN] or "{}"},
                    {"role": "user", "content": correction},
                ]
            )
        except RequestLostError:
            return first  # it was paid for
        return Completion(
            second.text,
            first.input_tokens + second.input_tokens,
            first.output_tokens + second.output_tokens,
            requests=2,
        )

    def _complete(self, messages: Messages) -> Completion:
        client = self._clients[next(self._turn) % len(self._clients)]
        while True:
            form = self._formats[0]
            self._pacer.wait()
            try:
                return self._request(client, messages, form)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if form is openai.omit or "response_format" not in str(error):
                    raise RequestLostError(f"the server refuses the request: {_first_line(error)}") from None
                # Other threads may have seen the same refusal already
                if self._formats[0] is form:
                    del self._formats[0]
            except openai.APIError as error:
                raise self._explain(error) from None
            # A web page, or half of a reply: the client passes on what the parser says
            except ValueError as error:
                raise RequestLostError(f"the server's reply is no JSON: {error}") from None

    def _request(self, client: openai.OpenAI, messages: Messages, form: Any) -> Completion:
        answer = client.chat.completions.create(
            model=self.settings.model,
            messages=list(messages),  # type: ignore[arg-type]
            response_format=form,
            temperature=self.settings.temperature,
            max_tokens=self.settings.maximum_answer_tokens,
        )
        try:
            choices, usage = answer.choices or [], answer.usage
            message = choices[0].message if choices else None
            text = str((message.content or message.refusal or "") if message else "")
        except AttributeError:
            raise RequestLostError(f"the server's reply is no completion: {str(answer)[:100]!r}") from None
        # Half of an emoji cannot be written to a file
        text = text.encode(errors="replace").decode()
        # The client does not check that a server counts
        read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Completion(text, read or 0, written or 0)

    def _explain(self, error: openai.APIError) -> Exception:
        """Return a fault as one that ends the asking, or as one lost request."""
        where = ", ".join(self.settings.addresses)
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return AskingStoppedError(
                f"{where} refuses the key. Put a valid one into the environment variable {self.settings.key_variable}."
            )
        if isinstance(error, openai.NotFoundError):
            return AskingStoppedError(
                f"{where} has no model {self.settings.model!r}, or the address lacks its path, such as /v1. "
                f"Correct model or addresses in conf/enrichment.yaml. It says: {_first_line(error)}"
            )
        if isinstance(error, openai.RateLimitError) and error.code == OUT_OF_MONEY:
            return AskingStoppedError(f"{where} says that the account has no money left.")
        return RequestLostError(_first_line(error))


def find_fault(text: str) -> str | None:
    """Return what keeps a text from being an answer, None where it is one."""
    try:
        parse_answer(text)
    except ValueError as error:
        return str(error)
    return None


def parse_answer(text: str) -> Answer:
    """Read the JSON object in a text, also where there is other text or a code fence around it.

    Raises ValueError naming the first fault.
    """
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        raise ValueError("there is no JSON object in it")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    return validate_answer(found)


def validate_answer(found: object) -> Answer:
    """Return a parsed JSON value as an answer.

    Raises ValueError naming the first field that does not fit.
    """
    try:
        return Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def check_endpoint(settings: EnrichmentSettings) -> None:
    """Raise EnrichmentError where the settings name no model to ask."""
    if not settings.model:
        raise EnrichmentError(
            "conf/enrichment.yaml, model is empty. Name the endpoint's model, or set engine to shipped or local."
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
