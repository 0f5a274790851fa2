"""Decoding of films: frames and sound are streamed by PyAV, single clips are read by decord where it is reliable."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
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
SAMPLE_RATE = 16_000  # Hz: the speaker network was trained on sound at this rate
SHORTER_SIDE, CROP_SIDE = 256, 224  # the scaling and the crop that I3D was evaluated with
# A container's length may be that of its sound, and the last frame begins before the end: whole films fall short too.
# No measurement of these amounts is on record.
MAX_MISSING_FRAMES, MAX_MISSING_SHARE, MAX_MISSING_SECONDS = 2, 0.02, 1


@dataclass(frozen=True)
class FilmProperties:
    """What a film's container promises; `frames` and `seconds` are 0 where it does not say."""

    fps: float
    frames: int
    seconds: float


def probe_film(path: Path) -> FilmProperties:
    """Read the properties of a film from its container.

    Raises VideoError where the file is not a film or states no frame rate.
    """
    try:
        with _open_film(path) as film:
            if not film.streams.video:
                raise VideoError(f"{path} holds no pictures. Give a film.")
            return _read_properties(film)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path} is not a film that can be read ({error.strerror}). Replace it.") from None


def _open_film(path: Path) -> Any:
    # Titles in Latin-1 raise UnicodeDecodeError otherwise, and the film would be lost for its title
    return av.open(str(path), metadata_errors="replace")


def _read_properties(film: Any) -> FilmProperties:
    """Return the properties of an open film, without the frames that an edit list hides."""
    stream = film.streams.video[0]
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    if fps <= 0:
        raise VideoError(f"{film.name} states no frame rate. Encode it again.")
    if stream.duration is not None:
        seconds = float(stream.duration * stream.time_base)
    elif "DURATION" in stream.metadata:
        # Matroska has the length of a stream in a tag alone; that of the container may be the sound's
        hours, minutes, rest = stream.metadata["DURATION"].split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    else:
        seconds = (film.duration or 0) / av.time_base
    # The index counts hidden frames too, while the length is that of the edit
    return FilmProperties(fps, min(stream.frames, round(seconds * fps)), seconds=seconds)


def decode_stream(path: Path, kind: str) -> Iterator[tuple[float | None, Any]]:
    """Yield every frame of the first stream of a kind ("video" or "audio").

    Each comes with its second since the film's beginning, or None where it has no time.
    Raises VideoError where decoding breaks off or a frame is damaged.
    """
    count = 0
    try:
        with _open_film(path) as film:
            begin = (film.start_time or 0) / av.time_base
            stream = getattr(film.streams, kind)[0]
            stream.codec_context.thread_count = 1
            for frame in film.decode(stream):
                # FFmpeg conceals damage and goes on, so a bad frame must be refused here
                if frame.is_corrupt:
                    raise VideoError(f"{path}: {kind} frame {count} is damaged. Replace it by a whole file.")
                yield None if frame.time is None else frame.time - begin, frame
                count += 1
    except av.FFmpegError as error:
        raise VideoError(
            f"{path}: {kind} breaks off after frame {count} ({error.strerror}). Replace it by a whole file."
        ) from None


def decode_small_frames(path: Path, width: int, height: int) -> Iterator[tuple[float, Frames]]:
    """Yield the second and the pixels (height, width, 3) of every frame in order.

    Raises VideoError where a frame cannot be decoded or the container promised more.
    """
    promised, count, seconds = probe_film(path), 0, 0.0
    for second, frame in decode_stream(path, "video"):
        # A raw stream (.h264) has no times, so the frame rate gives them
        seconds = count / promised.fps if second is None else second
        count += 1
        yield seconds, np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
    # Truncated Matroska decodes without an error up to its end: only the promise tells
    if promised.frames and count < promised.frames - MAX_MISSING_FRAMES:
        raise VideoError(f"{path} holds {count} of {promised.frames} frames. Replace it by a whole file.")
    if count == 0 or seconds < promised.seconds * (1 - MAX_MISSING_SHARE) - MAX_MISSING_SECONDS:
        raise VideoError(
            f"{path} ends at {seconds:.1f} of {promised.seconds:.1f} s. Replace it by a whole file."
        )


def decode_sound(path: Path) -> Iterator[tuple[float, Floats]]:
    """Yield the first audio stream in blocks of about a second: its second, and mono samples at 16 kHz.

    Yields nothing where the film has no sound. Raises VideoError where the sound cannot be decoded.
    """
    with _open_film(path) as film:
        if not film.streams.audio:
            return
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    begin, parts, n_yielded = 0.0, list[Floats](), 0
    for second, frame in decode_stream(path, "audio"):
        # Later blocks follow in samples, so gaps in the stream are closed
        begin = begin if n_yielded or parts else second or 0.0
        for part in resampler.resample(frame):
            parts.append(part.to_ndarray()[0])
        if sum(map(len, parts)) >= SAMPLE_RATE:
            block = np.concatenate(parts)
            yield begin + n_yielded / SAMPLE_RATE, block
            parts, n_yielded = [], n_yielded + len(block)
    for part in resampler.resample(None):
        parts.append(part.to_ndarray()[0])
    if parts:
        yield begin + n_yielded / SAMPLE_RATE, np.concatenate(parts)


def decode_clips(
    path: Path,
    wanted: list[list[int]],
    frames: int,
    seconds: float,
    report_progress: Callable[[float], None] = lambda _: None,
) -> Iterator[Frames]:
    """Yield clips (f, 224, 224, 3) of the wanted frame numbers, whose first ones ascend.

    decord finds single clips faster. PyAV takes over where decord counts other than `frames`, the number of frames
    of the whole film, where it fails, or where one clip takes it more than `seconds`; PyAV then reports its progress.
    """
    done = 0
    try:
        for clip in decode_clips_by_decord(path, wanted, frames, seconds):
            yield clip
            done += 1
    except VideoError as error:
        logging.getLogger(__name__).warning("%s PyAV reads on.", error)
        yield from decode_clips_by_pyav(path, wanted[done:], report_progress)


def decode_clips_by_pyav(
    path: Path, wanted: list[list[int]], report_progress: Callable[[float], None] = lambda _: None
) -> Iterator[Frames]:
    """Yield clips from one pass over all frames, of which only those that later clips need are in memory."""
    numbers, pending, n_yielded = set(chain.from_iterable(wanted)), dict[int, Frames](), 0
    for number, (second, frame) in enumerate(decode_stream(path, "video")):
        report_progress(second or 0.0)
        if number in numbers:
            pending[number] = _crop_frame(frame)
        while n_yielded < len(wanted) and max(wanted[n_yielded]) <= number:
            yield np.stack([pending[wanted_number] for wanted_number in wanted[n_yielded]])
            n_yielded += 1
        if n_yielded == len(wanted):
            return
        # Clips of one shot may overlap, so frames go only once no later clip begins before them
        for passed in [old for old in pending if old < min(wanted[n_yielded])]:
            del pending[passed]


def decode_clips_by_decord(
    path: Path, wanted: list[list[int]], frames: int, seconds: float
) -> Iterator[Frames]:
    """Yield clips from decord, which runs in a child process because it can hang.

    Raises VideoError where it counts other than `frames`, fails, or takes longer than `seconds` for a clip.
    """
    child = ChildProcess(send_clips, str(path), wanted, frames)
    try:
        for _ in wanted:
            clip: Frames | str = child.receive(seconds)
            if isinstance(clip, str):
                raise VideoError(f"{path}: {clip}.")
            yield clip
    except TimeoutError:
        raise VideoError(f"{path}: decord gave nothing in {seconds:g} s and was ended.") from None
    except EOFError:
        raise VideoError(f"{path}: decord crashed.") from None
    finally:
        child.kill()


def send_clips(pipe: Connection, path: str, wanted: list[list[int]], frames: int) -> None:
    """Send clips read by decord through a pipe, or one sentence on why there are none."""
    import decord

    try:
        height, width = decord.VideoReader(path, num_threads=1)[0].shape[:2]
        width, height = _scale_size(width, height)
        film = decord.VideoReader(path, num_threads=1, width=width, height=height)
        # decord ignores edit lists: other counts mean that its frame numbers are not ours
        if len(film) != frames:
            pipe.send(f"decord counts {len(film)} of {frames} frames")
            return
        for clip in wanted:
            pipe.send(_crop_centre(film.get_batch(clip).asnumpy()))
    except Exception as error:  # its errors have no base class; the lines after the first are a C++ stack
        pipe.send(f"decord fails ({str(error).splitlines()[0]})")


def _scale_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height scaled so that the shorter one is 256."""
    shorter = min(width, height)
    return round(width * SHORTER_SIDE / shorter), round(height * SHORTER_SIDE / shorter)


def _crop_centre(frames: Frames) -> Frames:
    """Return the square in the middle of frames (..., h, w, 3)."""
    top, left = (frames.shape[-3] - CROP_SIDE) // 2, (frames.shape[-2] - CROP_SIDE) // 2
    return np.ascontiguousarray(frames[..., top : top + CROP_SIDE, left : left + CROP_SIDE, :])


def _crop_frame(frame: Any) -> Frames:
    """Return the square in the middle of a frame, turned upright."""
    width, height = _scale_size(frame.width, frame.height)
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    # decord applies a phone's rotation by itself, PyAV does not
    return _crop_centre(np.rot90(pixels, frame.rotation // 90))
