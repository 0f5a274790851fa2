"""A pool of processes that describe films; one that hangs or crashes loses only the film that it works on.

The processes run on this machine, or on those of a Ray cluster, where every machine has the films under the same path.
"""

import logging
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn, cast

import torch
from tqdm import tqdm

from components.core.cluster import make_importable, map_on_cluster
from components.core.compute import LAPTOP, ComputeSettings
from components.core.content_cache import Arrays
from components.core.content_hash import hash_file
from components.video.child_process import ChildProcess
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.settings import VideoError, VideoSettings

ReportProgress = Callable[[float], None]
DescribeFilm = Callable[[FilmInput, ReportProgress], Arrays]
PrepareWorker = Callable[[], DescribeFilm]
FilmResult = Arrays | VideoError
PROGRESS_SECONDS = 0.5  # so that the pipe does not carry a message a frame
MAX_START_SECONDS = 600


def describe_films(
    films: list[FilmInput],
    prepare: PrepareWorker,
    cache: FeatureCache,
    settings: VideoSettings,
    compute: ComputeSettings = LAPTOP,
) -> Iterator[tuple[FilmInput, FilmResult]]:
    """Yield each film in turn with its arrays, or with the error that says why there are none.

    prepare: called once in every process; returns the function that describes a film and reports its progress.
    A film whose arrays are in the cache is not opened. Films of the same content are described once.
    """
    new = {cache.film_key(film): film for film in films if film not in cache}
    errors = dict[str, VideoError]()
    describe = _describe_on_cluster if compute.on_cluster else _describe_locally
    for film, result in describe([*new.values()], prepare, settings=settings, compute=compute) if new else ():
        # Errors are not cached, so a film that was replaced is tried again by the next run
        if isinstance(result, VideoError):
            errors[cache.film_key(film)] = result
        else:
            cache.write(film, result)
    cache.keep_only(films)
    # Read back in the given order: films finish in any order, and outputs must not depend on it
    for film in films:
        error = errors.get(cache.film_key(film))
        yield film, cache.read(film) if error is None else error


def _describe_locally(
    films: list[FilmInput], prepare: PrepareWorker, settings: VideoSettings, compute: ComputeSettings
) -> Iterator[tuple[FilmInput, FilmResult]]:
    """Yield films with their results from processes of this machine, in the order in which they finish."""
    bar: tqdm[NoReturn] = tqdm(total=len(films), unit="film")
    count = min(compute.workers, len(films))
    pace, idle, workers = _Pace(bar), SimpleQueue[_Worker](), list[_Worker]()
    for _ in range(count):
        workers.append(_Worker(prepare, settings.decode_seconds, pace=pace))
        idle.put(workers[-1])

    def describe_next(film: FilmInput) -> FilmResult:
        worker = idle.get()
        try:
            return worker.describe_film(film)
        finally:
            idle.put(worker)

    # The threads only wait for their processes. A process pool would lose all films when one process crashes
    pool = ThreadPoolExecutor(count)
    futures = {pool.submit(describe_next, film): film for film in films}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
            bar.update()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # Killed before the second shutdown, as threads wait for processes that may hang
        for worker in workers:
            worker.kill()
        pool.shutdown()
        bar.close()


def _describe_on_cluster(
    films: list[FilmInput], prepare: PrepareWorker, settings: VideoSettings, compute: ComputeSettings
) -> Iterator[tuple[FilmInput, FilmResult]]:
    """Yield films with their results from processes of a cluster, in the order in which they finish."""
    # Bytes can be hashed, so they are the key under which a machine keeps its worker
    pickled = pickle.dumps((make_importable(prepare), settings.decode_seconds))
    tasks = zip(repeat(pickled), films, strict=False)
    yield from tqdm(map_on_cluster(_describe_remotely, tasks, compute), total=len(films), unit="film")


def _describe_remotely(pickled: bytes, film: FilmInput) -> tuple[FilmInput, FilmResult]:
    return film, _cached_worker(pickled).describe_film(film)


@lru_cache(maxsize=1)
def _cached_worker(pickled: bytes) -> "_Worker":
    prepare, seconds = pickle.loads(pickled)
    return _Worker(prepare, seconds, pace=_Pace(tqdm(disable=True)))


class _Pace:
    """Hours of film in an hour of work, shown beside the progress bar."""

    def __init__(self, bar: "tqdm[NoReturn]") -> None:
        self.bar, self.began, self.seconds = bar, time.monotonic(), 0.0

    def add_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        pace = self.seconds / max(time.monotonic() - self.began, 1e-3)
        self.bar.set_postfix_str(f"{pace:.2f} hours of film an hour", refresh=False)


class _Worker:
    """A process that describes one film after the other; it is replaced where it hangs or crashes."""

    def __init__(self, prepare: PrepareWorker, seconds: float, pace: _Pace) -> None:
        self.prepare, self.seconds, self.pace = prepare, seconds, pace
        self.child: ChildProcess | None = None

    def describe_film(self, film: FilmInput) -> FilmResult:
        """Return the arrays of a film, or the error that says why there are none.

        Raises what kept the process from starting.
        """
        self.child = self.child or _start_child(self.prepare)
        latest = 0.0
        try:
            self.child.pipe.send(film)
            while isinstance(message := self.child.receive(self.seconds), float):
                # A film is passed more than once (pictures, then sound), and counts once
                self.pace.add_seconds(max(message - latest, 0))
                latest = max(message, latest)
        except TimeoutError:
            self._discard_child()
            return VideoError(f"{film.path}: nothing came in {self.seconds:g} s. Encode it again.")
        except (EOFError, ConnectionError):
            self._discard_child()
            return VideoError(f"{film.path}: the process that read it crashed. Encode it again.")
        return cast(FilmResult, message)

    def kill(self) -> None:
        # The pipe stays open: a thread may still wait at it, and sees EOFError
        if self.child is not None:
            self.child.process.kill()

    def _discard_child(self) -> None:
        if self.child is not None:
            self.child.kill()
        self.child = None


def _start_child(prepare: PrepareWorker) -> ChildProcess:
    """Start a process and wait until it is ready for its first film."""
    child = ChildProcess(_serve_films, prepare)
    # Waited for by itself, so that loading weights does not count towards the time limit of a film
    try:
        error = child.receive(MAX_START_SECONDS)
    except (EOFError, TimeoutError):
        raise VideoError(
            "A process ended before it could read films. Free memory, or lower `workers` in conf/compute.yaml."
        ) from None
    if error:
        raise error
    return child


def _serve_films(pipe: Connection, prepare: PrepareWorker) -> None:
    """Describe the films that come through a pipe until it closes."""
    torch.set_num_threads(1)  # so that results are the same however many processes there are
    try:
        describe = prepare()
    except Exception as error:
        pipe.send(error)
        return
    pipe.send(None)
    last = 0.0

    def report_progress(second: float) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            pipe.send(float(second))

    while True:
        try:
            film: FilmInput = pipe.recv()
        except EOFError:
            return
        pipe.send(_describe_safely(film, describe, report_progress))


def _describe_safely(film: FilmInput, describe: DescribeFilm, report_progress: ReportProgress) -> FilmResult:
    """Return the arrays of a film that is as the catalogue saw it, or whatever error it causes as a VideoError."""
    try:
        if hash_file(Path(film.path)) != film.sha256:
            return VideoError(f"{film.path} has changed since the catalogue was read. Run again.")
        return describe(film, report_progress)
    except VideoError as error:
        return error
    except OSError as error:
        return VideoError(f"{film.path} cannot be read ({error.strerror}). Put it back.")
    except Exception as error:
        logging.getLogger(__name__).exception("%s", film.path)
        return VideoError(f"{film.path}: {type(error).__name__} ({error}). Encode it again.")
