"""CPU seconds of each step for an hour of film, and for 10,000 films: python benchmarks/video_cost.py

Films that are given are measured as they are, on one thread; sound is measured on ten minutes of
noise at -20 dBFS in shots of five seconds.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILMS, FILM_HOURS, SOUND_SECONDS, SOUND_SHOT_SECONDS = 10_000, 1.5, 600, 5


class Unread:
    """Takes clips where a process would send them."""

    def send(self, clip: Any) -> None:
        if isinstance(clip, str):
            raise RuntimeError(clip)


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


def measure(path: Path, transnet: Any, i3d: Any) -> dict[str, float]:
    """CPU seconds of the steps of one film, its length and its shots."""
    import torch

    from components.video.clip_features import clip_frames
    from components.video.decode import decode_small_frames, send_clips
    from components.video.feature_cache import FilmInput
    from components.video.settings import VideoSettings
    from components.video.shots import find_shots

    settings = VideoSettings()
    decode, _ = cpu_seconds(lambda: sum(1 for _ in decode_small_frames(path, 48, 27)))
    whole, shots = cpu_seconds(
        lambda: find_shots(
            transnet, settings.shot_threshold, FilmInput("film", str(path), ""), lambda _: None
        )
    )
    wanted = [
        clip_frames(start, end, settings.clip_frames, 1)[0]
        for start, end in zip(shots["start_frame"].tolist(), shots["end_frame"].tolist(), strict=True)
    ]
    frames = int(shots["frames"])
    clips, _ = cpu_seconds(lambda: send_clips(Unread(), str(path), wanted, frames))  # type: ignore[arg-type]
    clip = torch.randint(0, 256, (1, settings.clip_frames, 224, 224, 3), dtype=torch.uint8)
    features, _ = cpu_seconds(lambda: [i3d.extract_features(clip) for _ in range(3)])
    return {
        "decode_frames": decode, "transnetv2": whole - decode, "decode_clips": clips,
        "i3d": features / 3 * len(wanted), "seconds": float(shots["end_seconds"][-1]), "shots": len(wanted),
    }  # fmt: skip


def sound_cost(voices: Any) -> dict[str, float]:
    """CPU seconds of the log-mel statistics of a second of sound, and of the voices in it."""
    from components.video.audio_features import shot_statistics
    from components.video.decode import SAMPLE_RATE
    from components.video.mel_filters import mel_filters
    from components.video.networks.speaker_network import SpeakerEmbedder

    noise = np.random.default_rng(0).normal(0, 0.1, (SOUND_SECONDS, SAMPLE_RATE)).astype(np.float32)
    blocks = [(float(second), block) for second, block in enumerate(noise)]
    starts = np.arange(0, SOUND_SECONDS, SOUND_SHOT_SECONDS, dtype=np.float64)
    ends = starts + SOUND_SHOT_SECONDS
    sound, _ = cpu_seconds(lambda: shot_statistics(blocks, starts, ends, mel_filters(64, "htk")))
    heard, _ = cpu_seconds(lambda: list(SpeakerEmbedder(voices, starts, ends).pass_through(blocks)))
    return {"sound": sound / SOUND_SECONDS, "voices": heard / SOUND_SECONDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "films", type=Path, nargs="*", default=sorted(Path("../shared/data/videos").glob("*.mp4"))
    )
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from components.video.networks.i3d import I3d
    from components.video.networks.speaker_network import SpeakerNetwork
    from components.video.networks.transnet import TransNet

    torch.set_num_threads(1)
    networks = TransNet(options.weights / "transnetv2"), I3d(options.weights / "i3d")
    rows = [measure(path, *networks) for path in options.films]
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    hours = total.pop("seconds") / 3600
    sound = sound_cost(SpeakerNetwork(options.weights / "voices"))
    hour = {key: value / hours for key, value in total.items()} | {key: 3600 * sound[key] for key in sound}
    hour["cpu_seconds"] = sum(value for key, value in hour.items() if key != "shots")
    report = {
        "an_hour_of_film": hour,
        "10000_films_core_days": hour["cpu_seconds"] * FILMS * FILM_HOURS / 86_400,
    }
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
