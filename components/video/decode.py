"""Frames and sound of a film, streamed by PyAV; single clips by decord, in a child process that can be ended."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from components.video.settings import VideoError

Frames = NDArray[np.uint8]
RATE = 16_000
MISSING_FRAMES = 0.02


@dataclass(frozen=True)
class Probe:
    """What a film's container says."""

    fps: float
    frames: int
    has_audio: bool


def probe(path: Path) -> Probe:
    """Read a film's container.

    Raises VideoError where it is no film.
    """
    try:
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            fps = float(stream.average_rate or stream.guessed_rate or 0)
            return Probe(fps, stream.frames, bool(film.streams.audio))
    except (av.FFmpegError, IndexError, OSError) as fault:
        raise VideoError(f"{path} is not a film that can be read ({fault}). Replace it.") from None


def small_frames(path: Path, width: int, height: int) -> Iterator[Frames]:
    """Every frame (height, width, 3) in order.

    Raises VideoError where decoding breaks off, or the container promised more frames.
    """
    promised, count = probe(path).frames, 0
    try:
        with av.open(str(path)) as film:
            film.streams.video[0].thread_type = "AUTO"
            for frame in film.decode(video=0):
                count += 1
                yield np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), dtype=np.uint8)
    except av.FFmpegError as fault:
        raise VideoError(
            f"{path} breaks off after frame {count} ({fault}). Replace it by a whole file."
        ) from None
    if count == 0 or count < promised * (1 - MISSING_FRAMES):
        raise VideoError(f"{path} holds {count} of {promised} frames. Replace it by a whole file.")


def clips(path: Path, starts: list[int], length: int, seconds: float) -> NDArray[np.uint8]:
    """Clips (c, length, 224, 224, 3) that begin at the given frames; the last frame is repeated at the end.

    Raises VideoError where the decoder fails or is not done in time.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_read_clips, args=(str(path), starts, length, there), daemon=True)
    child.start()
    there.close()
    try:
        if not here.poll(seconds):
            raise VideoError(
                f"{path}: the decoder gave nothing in {seconds:g} s and was ended. Encode the film again."
            )
        answer: Any = here.recv()
    except EOFError:
        raise VideoError(f"{path}: the decoder crashed. Encode the film again.") from None
    finally:
        child.kill()
        child.join()
    if isinstance(answer, str):
        raise VideoError(f"{path}: {answer}. Encode the film again.")
    frames: NDArray[np.uint8] = answer
    return frames


def _read_clips(path: str, starts: list[int], length: int, pipe: Any) -> None:
    import decord

    try:
        film = decord.VideoReader(path, num_threads=1)
        height, width = film[0].shape[:2]
        scale = 256 / min(height, width)
        size = {"width": round(width * scale), "height": round(height * scale)}
        film = decord.VideoReader(path, num_threads=1, **size)
        wanted = [min(start + n, len(film) - 1) for start in starts for n in range(length)]
        frames = film.get_batch(wanted).asnumpy()
        top, left = (frames.shape[1] - 224) // 2, (frames.shape[2] - 224) // 2
        cut = frames[:, top : top + 224, left : left + 224]
        pipe.send(np.ascontiguousarray(cut.reshape(len(starts), length, 224, 224, 3)))
    except Exception as fault:
        pipe.send(str(fault).splitlines()[0])


def sound(path: Path) -> NDArray[np.float32] | None:
    """The first audio stream as mono samples at 16 kHz, or None where the film has none."""
    with av.open(str(path)) as film:
        if not film.streams.audio:
            return None
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = [part.to_ndarray()[0] for frame in film.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, dtype=np.float32)
