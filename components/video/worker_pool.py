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

from components.core.cluster import importable, map_on_cluster
from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import Arrays
from components.core.content_hash import hash_file
from components.video.child_process import ChildProcess
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.settings import VideoError, VideoSettings

Tell = Callable[[float], None]
Describe = Callable[[FilmInput, Tell], Arrays]
Prepare = Callable[[], Describe]
Answer = Arrays | VideoError
TELL_SECONDS, START_SECONDS = 0.5, 600


def describe_films(
    films: list[FilmInput],
    prepare: Prepare,
    cache: FeatureCache,
    settings: VideoSettings,
    compute: ComputeSettings = LAPTOP,
) -> Iterator[tuple[FilmInput, Answer]]:
    """Each film in turn with its arrays, or with the reason why there are none.

    prepare: what every process calls once, for the function that describes a film and tells the second it is at.
    A film whose arrays are in the cache is not opened; films of one content are described once.
    """
    new = list({cache.key_of(film): film for film in films if film not in cache}.values())
    faults = dict[str, VideoError]()
    answers = _elsewhere if compute.on_cluster else _here
    for film, answer in answers(new, prepare, settings, compute) if new else ():
        if isinstance(answer, VideoError):
            faults[cache.key_of(film)] = answer
        else:
            cache.write(film, answer)
    cache.keep_only(films)
    for film in films:
        fault = faults.get(cache.key_of(film))
        yield film, cache.read(film) if fault is None else fault


def _here(
    films: list[FilmInput], prepare: Prepare, settings: VideoSettings, compute: ComputeSettings
) -> Iterator[tuple[FilmInput, Answer]]:
    """What processes of this machine say of films, as they are done."""
    bar: tqdm[NoReturn] = tqdm(total=len(films), unit="film")
    count = min(compute.workers, len(films))
    workers = [_Worker(prepare, settings.decode_seconds, _Pace(bar)) for _ in range(count)]
    free = SimpleQueue[_Worker]()
    for worker in workers:
        free.put(worker)

    def describe(film: FilmInput) -> Answer:
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
    films: list[FilmInput], prepare: Prepare, settings: VideoSettings, compute: ComputeSettings
) -> Iterator[tuple[FilmInput, Answer]]:
    """What processes of a cluster's machines say of films, as they are done."""
    told = pickle.dumps((importable(prepare), settings.decode_seconds))
    given = ((told, film) for film in films)
    yield from tqdm(map_on_cluster(_describe_there, given, compute), total=len(films), unit="film")


def _describe_there(told: bytes, film: FilmInput) -> tuple[FilmInput, Answer]:
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
        self.child: ChildProcess | None = None

    def describe(self, film: FilmInput) -> Answer:
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


def _started(prepare: Prepare) -> ChildProcess:
    """A process that is ready for its first film."""
    child = ChildProcess(_work, prepare)
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
            film: FilmInput = pipe.recv()
        except EOFError:
            return
        pipe.send(_describe(film, describe, tell))


def _describe(film: FilmInput, describe: Describe, tell: Tell) -> Answer:
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
