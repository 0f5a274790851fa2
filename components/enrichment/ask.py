"""Ask a language model for the descriptions that are missing, within the night's budget; keep each answer at once."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from components.enrichment.answer_cache import AnswerCache, Line
from components.enrichment.budget import Budget
from components.enrichment.language_model import (
    AskingStoppedError,
    Completion,
    LanguageModel,
    Messages,
    RequestLostError,
    parse_answer,
)
from components.enrichment.settings import EnrichmentError, EnrichmentSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """An item whose description is missing: its id, the hashes of what is asked, and the chat."""

    item_id: str
    item_hash: str
    prompt_hash: str
    messages: Messages


class Asking:
    """One run of questions: up to `concurrency` are under way, and each answer is written as soon as it comes."""

    def __init__(
        self, model: LanguageModel, cache: AnswerCache, budget: Budget, settings: EnrichmentSettings
    ) -> None:
        self.model, self.cache, self.budget, self.settings = model, cache, budget, settings
        self.stopped: str | None = None
        self.lost = 0
        self._lost_in_a_row = 0

    def ask(self, questions: Sequence[Question]) -> str | None:
        """Ask the questions in order; return why not all of them were asked, None where all were.

        A limit of the budget, or a fault that every request would meet, ends the asking; what is under way is waited
        for, as it is paid for. So is it after Ctrl-C.
        """
        waiting = iter(questions)
        under_way: dict[Future[Completion], Question] = {}
        with ThreadPoolExecutor(self.settings.concurrency) as pool, self._progress(questions) as progress:
            try:
                while True:
                    self._submit(pool, waiting, under_way)
                    if not under_way:
                        return self.stopped
                    self._collect(under_way, progress)
            except BaseException:
                # Ctrl-C, or a full disk: nothing new is asked, what comes back is still kept where it can be
                self.stopped = self.stopped or "interrupted"
                for future in under_way:
                    future.cancel()
                wait(under_way)
                self._keep_rest(under_way)
                raise

    def _progress(self, questions: Sequence[Question]) -> Any:
        return tqdm(total=len(questions), desc="describe", unit="item", disable=None)

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        waiting: Iterator[Question],
        under_way: dict[Future[Completion], Question],
    ) -> None:
        while self.stopped is None and len(under_way) < self.settings.concurrency:
            limit = self.budget.limit_reached(len(under_way))
            if limit is not None:
                # What is under way may cost less than the mean: the limit is asked again when it has come back
                if not under_way:
                    self.stopped = f"tonight's budget is spent: {limit} in conf/enrichment.yaml"
                return
            question = next(waiting, None)
            if question is None:
                return
            under_way[pool.submit(self.model.describe, question.messages)] = question

    def _collect(self, under_way: dict[Future[Completion], Question], progress: Any) -> None:
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            self._take(under_way[future], future)
            # Only now: Ctrl-C while an answer is taken must find it under way
            del under_way[future]
            progress.set_postfix_str(f"cost {self.budget.cost:.2f}, {self.lost} lost", refresh=False)
            progress.update()

    def _take(self, question: Question, future: Future[Completion]) -> None:
        try:
            completion = future.result()
        except AskingStoppedError as fault:
            self.stopped = self.stopped or str(fault)
            return
        except RequestLostError as fault:
            self._count_loss(question, fault)
            return
        self._lost_in_a_row = 0
        self._keep(question, completion)

    def _count_loss(self, question: Question, fault: RequestLostError) -> None:
        self.lost += 1
        self._lost_in_a_row += 1
        log.warning("Item %s has no answer: %s", question.item_id, fault)
        if self._lost_in_a_row >= self.settings.maximum_failures and self.stopped is None:
            where = ", ".join(self.settings.addresses)
            self.stopped = f"{self._lost_in_a_row} requests in a row to {where} were lost, the last: {fault}"

    def _keep(self, question: Question, completion: Completion) -> None:
        line = build_line(question, completion, self.settings.model)
        self.budget.add(line)
        try:
            self.cache.append(line)
        except OSError as error:
            raise EnrichmentError(
                f"{self.cache.file} cannot be written: {error}. Make room, then run again: all earlier answers are kept."
            ) from error

    def _keep_rest(self, under_way: dict[Future[Completion], Question]) -> None:
        for future, question in under_way.items():
            if future.cancelled() or future.exception() is not None:
                continue
            try:
                self._keep(question, future.result())
            except EnrichmentError:
                return  # the disk is still full: the first error says so


def build_line(question: Question, completion: Completion, model: str) -> Line:
    """Return an answer as a line of the cache, with its source."""
    line: Line = {
        "item_id": question.item_id,
        "item_hash": question.item_hash,
        "prompt_hash": question.prompt_hash,
        "model": model,
        "date": datetime.now(UTC).date().isoformat(),
        "input_tokens": completion.input_tokens,
        "output_tokens": completion.output_tokens,
        "requests": completion.requests,
    }
    try:
        return line | {"answer": parse_answer(completion.text).model_dump()}
    except ValueError:
        return line | {"text": completion.text}
