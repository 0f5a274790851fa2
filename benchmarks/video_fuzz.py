"""Mutated films through every stage that opens them: python benchmarks/video_fuzz.py --files 500

Small films are made of the bundled clips, and mutated: cut short, bytes changed or swapped, headers of one film before the
body of another. Every file must end as features or in quarantine with a reason, and the stores must verify.
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("truncated", "flipped", "noise", "swapped", "zeroed", "removed")
CONTAINERS = {"mp4": "libx264", "mkv": "libx264", "avi": "mpeg4", "ts": "mpeg2video", "webm": "libvpx"}
HEADER, LARGEST_RUN = 2048, 400


def mutated(content: bytes, other: bytes, kind: str, chance: np.random.Generator) -> bytes:
    """A film's bytes with one kind of damage; `other` is the film whose header is swapped in."""
    changed, size = bytearray(content), len(content)
    begin = int(chance.integers(0, size))
    end = min(size, begin + int(chance.integers(1, LARGEST_RUN)))
    if kind == "truncated":
        del changed[begin:]
    elif kind == "flipped":
        for place in chance.integers(0, size, int(chance.integers(1, 30))):
            changed[place] ^= 1 << int(chance.integers(8))
    elif kind == "noise":
        changed[begin:end] = chance.bytes(end - begin)
    elif kind == "swapped":
        length = int(chance.integers(16, HEADER))
        changed[:length] = other[:length]
    elif kind == "zeroed":
        changed[begin:end] = bytes(end - begin)
    else:
        del changed[begin:end]
    return bytes(changed)


def small_films(clips: list[Path], folder: Path) -> list[Path]:
    """The first 40 frames of each clip at 96 x 64 with a tone, in each container."""
    import av

    from components.video.decode import decode_small_frames

    made = []
    for clip in clips:
        frames = [frame for _, frame in islice(decode_small_frames(clip, 96, 64), 40)]
        for container, codec in CONTAINERS.items():
            path = folder / f"{clip.stem}.{container}"
            with av.open(str(path), "w") as film:
                video = film.add_stream(codec, rate=25, options={"threads": "1"})
                video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
                sound = film.add_stream(
                    "libopus" if container == "webm" else "aac", rate=48_000, layout="mono"
                )
                for frame in frames:
                    film.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                film.mux(video.encode(None))
                tone = np.sin(np.arange(48_000, dtype=np.float32) / 17)[None]
                for part in np.split(tone, 50, axis=1):
                    block = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                    block.rate = 48_000
                    film.mux(sound.encode(block))
                film.mux(sound.encode(None))
            made.append(path)
    return made


def mutate_all(films: list[Path], folder: Path, files: int, seed: int) -> dict[str, Path]:
    """Write mutated films, all kinds in turn."""
    chance, made = np.random.default_rng(seed), dict[str, Path]()
    contents = [film.read_bytes() for film in films]
    for number in range(files):
        kind, which = KINDS[number % len(KINDS)], int(chance.integers(len(films)))
        path = folder / f"{number:04}-{kind}{films[which].suffix}"
        path.write_bytes(mutated(contents[which], contents[int(chance.integers(len(films)))], kind, chance))
        made[path.name] = path
    return made


def run(folder: Path, films: dict[str, Path], weights: Path, settings: Any) -> None:
    """Take films through the stages that open them, and join what is known of them."""
    import pandas as pd

    from components.video import audio_features, clip_features, scenes, shots
    from components.video import merge_features as join

    rows = [
        (name, name, str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in films.items()
    ]
    (folder / "catalogue").mkdir()
    table = pd.DataFrame(rows, columns=["video_id", "item_id", "path", "sha256"])
    table.to_parquet(folder / "catalogue" / "videos.parquet", index=False)
    names = ("parts", "shots.parquet", "unread.parquet", "scenes.parquet", "clips.h5", "audio.h5")
    parts, found, unread, grouped, seen, heard = (folder / name for name in names)
    shots.main(folder / "catalogue", weights, parts, found, unread, settings=settings)
    clip_features.main(found, weights, parts, seen, settings=settings)
    audio_features.main(found, weights, parts, heard, settings=settings)
    scenes.main(found, seen, heard, grouped, settings=settings)
    outputs = (folder / name for name in ("films.h5", "quarantine.parquet", "video.json"))
    join.main(found, grouped, unread, seen, heard, *outputs, settings=settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, default=Path("data/packages/clips"))
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import h5py
    import pandas as pd

    from components.video.hdf5_store import find_problems
    from components.video.settings import VideoSettings

    with tempfile.TemporaryDirectory() as place:
        folder, began = Path(place), time.monotonic()
        films = mutate_all(
            small_films(sorted(options.clips.glob("*.mp4")), folder), folder, options.files, options.seed
        )
        run(folder, films, options.weights, VideoSettings(clip_frames=8, decode_seconds=120))
        aside = pd.read_parquet(folder / "quarantine.parquet")
        with h5py.File(folder / "films.h5") as store:
            kept = set(store)
            wrong = [f"{name} {fault}" for name, film in store.items() for fault in find_problems(film)]
    unanswered = set(films) - kept - set(aside["video_id"])
    reasons = aside["reason"].str.replace(r"^\S+?\.(mp4|mkv|avi|ts|webm)", "", regex=True)
    report = {
        "files": len(films), "features": len(kept), "quarantine": len(aside), "neither": len(unanswered),
        "both": len(kept & set(aside["video_id"])), "faults_in_store": wrong, "without_reason": int((reasons == "").sum()),
        "kept_by_kind": dict(sorted(Counter(name.split("-")[1].split(".")[0] for name in kept).items())),
        "reasons": reasons.str.replace(r"\d[\d.]*", "n", regex=True).value_counts().to_dict(),
        "seconds": time.monotonic() - began,
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if unanswered or wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
