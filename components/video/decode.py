"""Frames and sound of a film, streamed by PyAV; single clips by decord where it can be trusted."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from components.video.child_process import ChildProcess
from components.video.settings import VideoError

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]
RATE = 16_000
SIDE, CROP = 256, 224
SLACK_FRAMES, SLACK_SHARE = 2, 0.02


@dataclass(frozen=True)
class FilmProperties:
    """What a film's container promises; `frames` is 0 and `seconds` is 0 where it does not say."""

    fps: float
    frames: int
    seconds: float


def probe(path: Path) -> FilmProperties:
    """Read a film's container.

    Raises VideoError where it is no film, or says no frame rate.
    """
    try:
        with _open(path) as film:
            if not film.streams.video:
                raise VideoError(f"{path} holds no pictures. Give a film.")
            return _promise(film)
    except (av.FFmpegError, OSError) as fault:
        raise VideoError(f"{path} is not a film that can be read ({fault.strerror}). Replace it.") from None


def _open(path: Path) -> Any:
    return av.open(str(path), metadata_errors="replace")


def _promise(film: Any) -> FilmProperties:
    """Frames are counted without those that an edit list hides; the length is then that of the edit."""
    stream = film.streams.video[0]
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    if fps <= 0:
        raise VideoError(f"{film.name} says no frame rate. Encode it again.")
    if stream.duration is not None:
        seconds = float(stream.duration * stream.time_base)
    elif "DURATION" in stream.metadata:
        hours, minutes, rest = stream.metadata["DURATION"].split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    else:
        seconds = (film.duration or 0) / av.time_base
    return FilmProperties(fps, min(stream.frames, round(seconds * fps)), seconds)


def _decode(path: Path, kind: str) -> Iterator[tuple[float | None, Any]]:
    """Every frame of the first stream of a kind, with its second since the film's beginning where it has one.

    Raises VideoError where decoding breaks off or a frame is damaged.
    """
    count = 0
    try:
        with _open(path) as film:
            begin = (film.start_time or 0) / av.time_base
            stream = getattr(film.streams, kind)[0]
            stream.codec_context.thread_count = 1
            for frame in film.decode(stream):
                if frame.is_corrupt:
                    raise VideoError(f"{path}: {kind} frame {count} is damaged. Replace it by a whole file.")
                yield None if frame.time is None else frame.time - begin, frame
                count += 1
    except av.FFmpegError as fault:
        raise VideoError(
            f"{path}: {kind} breaks off after frame {count} ({fault.strerror}). Replace it by a whole file."
        ) from None


def small_frames(path: Path, width: int, height: int) -> Iterator[tuple[float, Frames]]:
    """Second and pixels (height, width, 3) of every frame in order.

    Raises VideoError where a frame cannot be decoded or the container promised more.
    """
    promised, count, seconds = probe(path), 0, 0.0
    for second, frame in _decode(path, "video"):
        seconds = count / promised.fps if second is None else second
        count += 1
        yield (
            seconds,
            np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), dtype=np.uint8),
        )
    if promised.frames and count < promised.frames - SLACK_FRAMES:
        raise VideoError(f"{path} holds {count} of {promised.frames} frames. Replace it by a whole file.")
    if count == 0 or seconds < promised.seconds * (1 - SLACK_SHARE) - 1:
        raise VideoError(
            f"{path} ends at {seconds:.1f} of {promised.seconds:.1f} s. Replace it by a whole file."
        )


def sound(path: Path) -> Iterator[tuple[float, Floats]]:
    """Seconds and mono samples at 16 kHz of the first audio stream in blocks of a second; nothing where there is none.

    Raises VideoError where it cannot be decoded.
    """
    with _open(path) as film:
        if not film.streams.audio:
            return
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    begin, parts, given = 0.0, list[Floats](), 0
    for second, frame in _decode(path, "audio"):
        begin = begin if given or parts else second or 0.0
        parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        if sum(map(len, parts)) >= RATE:
            block = np.concatenate(parts)
            yield begin + given / RATE, block
            parts, given = [], given + len(block)
    parts += [part.to_ndarray()[0] for part in resampler.resample(None)] if given or parts else []
    if parts:
        yield begin + given / RATE, np.concatenate(parts)


def clips(
    path: Path,
    wanted: list[list[int]],
    frames: int,
    seconds: float,
    tell: Callable[[float], None] = lambda _: None,
) -> Iterator[Frames]:
    """Clips (f, 224, 224, 3) of the wanted frame numbers, whose first ones ascend.

    frames: how many the whole film has; decord, which finds single clips faster, is believed only where it counts
    as many. Where it counts otherwise, fails or takes more than the given seconds for one clip, PyAV reads on, and
    tells the second that it is at.
    """
    done = 0
    try:
        for clip in clips_by_decord(path, wanted, frames, seconds):
            yield clip
            done += 1
    except VideoError as fault:
        logging.getLogger(__name__).warning("%s PyAV reads on.", fault)
        yield from clips_by_pyav(path, wanted[done:], tell)


def clips_by_pyav(
    path: Path, wanted: list[list[int]], tell: Callable[[float], None] = lambda _: None
) -> Iterator[Frames]:
    """Clips from one pass over all frames, of which no more are held than the next clips need."""
    numbers, held, following = {number for clip in wanted for number in clip}, dict[int, Frames](), 0
    for number, (second, frame) in enumerate(_decode(path, "video")):
        tell(second or 0.0)
        if number in numbers:
            held[number] = _upright(frame)
        while following < len(wanted) and max(wanted[following]) <= number:
            yield np.stack([held[wanted_number] for wanted_number in wanted[following]])
            following += 1
        if following == len(wanted):
            return
        held = {kept: frame for kept, frame in held.items() if kept >= min(wanted[following])}


def clips_by_decord(path: Path, wanted: list[list[int]], frames: int, seconds: float) -> Iterator[Frames]:
    """Clips from decord, in a child process that can be ended.

    Raises VideoError where it counts other than `frames`, fails, or is not done with a clip in time.
    """
    child = ChildProcess(_send_clips, str(path), wanted, frames)
    try:
        for _ in wanted:
            answer: Frames | str = child.answer(seconds)
            if isinstance(answer, str):
                raise VideoError(f"{path}: {answer}.")
            yield answer
    except TimeoutError:
        raise VideoError(f"{path}: decord gave nothing in {seconds:g} s and was ended.") from None
    except EOFError:
        raise VideoError(f"{path}: decord crashed.") from None
    finally:
        child.end()


def _send_clips(pipe: Connection, path: str, wanted: list[list[int]], frames: int) -> None:
    import decord

    try:
        height, width = decord.VideoReader(path, num_threads=1)[0].shape[:2]
        width, height = _scaled(width, height)
        film = decord.VideoReader(path, num_threads=1, width=width, height=height)
        if len(film) != frames:
            pipe.send(f"decord counts {len(film)} of {frames} frames")
            return
        for clip in wanted:
            pipe.send(_centre(film.get_batch(clip).asnumpy()))
    except Exception as fault:
        pipe.send(f"decord fails ({str(fault).splitlines()[0]})")


def _scaled(width: int, height: int) -> tuple[int, int]:
    """Width and height whose shorter one is 256."""
    return round(width * SIDE / min(width, height)), round(height * SIDE / min(width, height))


def _centre(frames: Frames) -> Frames:
    """The middle square of frames (..., h, w, 3)."""
    top, left = (frames.shape[-3] - CROP) // 2, (frames.shape[-2] - CROP) // 2
    return np.ascontiguousarray(frames[..., top : top + CROP, left : left + CROP, :])


def _upright(frame: Any) -> Frames:
    """The middle square of a frame, turned as its film says."""
    width, height = _scaled(frame.width, frame.height)
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    return _centre(np.rot90(pixels, frame.rotation // 90))
