"""Films described by several processes; one that hangs or crashes costs the film that it is at, and no other.

The processes are on this machine, or on those of a Ray cluster, where every machine has the films under the same path.
"""

import logging
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn, cast

import torch
from tqdm import tqdm

from components.cluster import calls, importable
from components.compute import LAPTOP, Compute
from components.stage import hash_file
from components.video.parts import Arrays, Film, Parts
from components.video.processes import Child
from components.video.settings import VideoError, VideoSettings

Tell = Callable[[float], None]
Describe = Callable[[Film, Tell], Arrays]
Prepare = Callable[[], Describe]
Answer = Arrays | VideoError
TELL_SECONDS, START_SECONDS = 0.5, 600


def describe_films(
    films: list[Film], prepare: Prepare, parts: Parts, settings: VideoSettings, compute: Compute = LAPTOP
) -> Iterator[tuple[Film, Answer]]:
    """Each film in turn with its arrays, or with the reason why there are none.

    prepare: what every process calls once, for the function that describes a film and tells the second it is at.
    A film whose arrays are in parts is not opened; films of one content are described once.
    """
    new = list({parts.name(film): film for film in films if film not in parts}.values())
    faults = dict[str, VideoError]()
    answers = _elsewhere if compute.on_cluster else _here
    for film, answer in answers(new, prepare, settings, compute) if new else ():
        if isinstance(answer, VideoError):
            faults[parts.name(film)] = answer
        else:
            parts.write(film, answer)
    parts.forget_all_but(films)
    for film in films:
        fault = faults.get(parts.name(film))
        yield film, parts.read(film) if fault is None else fault


def _here(
    films: list[Film], prepare: Prepare, settings: VideoSettings, compute: Compute
) -> Iterator[tuple[Film, Answer]]:
    """What processes of this machine say of films, as they are done."""
    bar: tqdm[NoReturn] = tqdm(total=len(films), unit="film")
    count = min(compute.workers, len(films))
    workers = [_Worker(prepare, settings.decode_seconds, _Pace(bar)) for _ in range(count)]
    free = SimpleQueue[_Worker]()
    for worker in workers:
        free.put(worker)

    def describe(film: Film) -> Answer:
        worker = free.get()
        try:
            return worker.describe(film)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(count)
    waiting = {pool.submit(describe, film): film for film in films}
    try:
        for done in as_completed(waiting):
            yield waiting[done], done.result()
            bar.update()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.end()
        pool.shutdown()
        bar.close()


def _elsewhere(
    films: list[Film], prepare: Prepare, settings: VideoSettings, compute: Compute
) -> Iterator[tuple[Film, Answer]]:
    """What processes of a cluster's machines say of films, as they are done."""
    told = pickle.dumps((importable(prepare), settings.decode_seconds))
    given = ((told, film) for film in films)
    yield from tqdm(calls(_describe_there, given, compute), total=len(films), unit="film")


def _describe_there(told: bytes, film: Film) -> tuple[Film, Answer]:
    return film, _kept_worker(told).describe(film)


@lru_cache(maxsize=1)
def _kept_worker(told: bytes) -> "_Worker":
    prepare, seconds = pickle.loads(told)
    return _Worker(prepare, seconds, _Pace(tqdm(disable=True)))


class _Pace:
    """Hours of film in an hour of work, shown beside the bar."""

    def __init__(self, bar: "tqdm[NoReturn]") -> None:
        self.bar, self.began, self.seconds = bar, time.monotonic(), 0.0

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        pace = self.seconds / max(time.monotonic() - self.began, 1e-3)
        self.bar.set_postfix_str(f"{pace:.2f} hours of film an hour", refresh=False)


class _Worker:
    """A process that describes one film after the other; it is replaced where it hangs or crashes."""

    def __init__(self, prepare: Prepare, seconds: float, pace: _Pace) -> None:
        self.prepare, self.seconds, self.pace = prepare, seconds, pace
        self.child: Child | None = None

    def describe(self, film: Film) -> Answer:
        """What the process says of a film.

        Raises what kept the process from being ready.
        """
        self.child = self.child or _started(self.prepare)
        told = 0.0
        try:
            self.child.pipe.send(film)
            while isinstance(answer := self.child.answer(self.seconds), float):
                self.pace.add(max(answer - told, 0))
                told = max(answer, told)
        except TimeoutError:
            self._replace()
            return VideoError(f"{film.path}: nothing came in {self.seconds:g} s. Encode it again.")
        except (EOFError, ConnectionError):
            self._replace()
            return VideoError(f"{film.path}: the process that read it crashed. Encode it again.")
        return cast(Answer, answer)

    def end(self) -> None:
        if self.child is not None:
            self.child.process.kill()

    def _replace(self) -> None:
        if self.child is not None:
            self.child.end()
        self.child = None


def _started(prepare: Prepare) -> Child:
    """A process that is ready for its first film."""
    child = Child(_work, prepare)
    try:
        fault = child.answer(START_SECONDS)
    except (EOFError, TimeoutError):
        raise VideoError(
            "A process ended before it could read films. Free memory, or lower `workers` in conf/compute.yaml."
        ) from None
    if fault:
        raise fault
    return child


def _work(pipe: Connection, prepare: Prepare) -> None:
    """Describe films until there are no more; one thread, so that results are the same however many processes there are."""
    torch.set_num_threads(1)
    try:
        describe = prepare()
    except Exception as fault:
        pipe.send(fault)
        return
    pipe.send(None)
    last = 0.0

    def tell(second: float) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_SECONDS:
            last = time.monotonic()
            pipe.send(float(second))

    while True:
        try:
            film: Film = pipe.recv()
        except EOFError:
            return
        pipe.send(_describe(film, describe, tell))


def _describe(film: Film, describe: Describe, tell: Tell) -> Answer:
    """The arrays of a film that still is what the catalogue saw; whatever a strange film sets off is its reason."""
    try:
        if hash_file(Path(film.path)) != film.sha256:
            return VideoError(f"{film.path} has changed since the catalogue was read. Run again.")
        return describe(film, tell)
    except VideoError as fault:
        return fault
    except OSError as fault:
        return VideoError(f"{film.path} cannot be read ({fault.strerror}). Put it back.")
    except Exception as fault:
        logging.getLogger(__name__).exception("%s", film.path)
        return VideoError(f"{film.path}: {type(fault).__name__} ({fault}). Encode it again.")
