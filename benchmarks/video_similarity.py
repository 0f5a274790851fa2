"""Changed copies of shots find their source by film vectors, beside single frames and histograms.

python benchmarks/video_similarity.py: each shot of 32 frames and more of the bundled clips and of two television clips is a
source. It is encoded again, made smaller, cropped, sped up, mirrored and brightened, recoloured, padded, and halved. The
vector was chosen on the shots of one television clip; the figures to report are those of the other films.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST, CLIP, CHOSEN_ON = 32, 150, 32, "climate"
Frames = list[NDArray[np.uint8]]
Features = dict[str, NDArray[np.float32]]


def resized(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import av

    height, width = (side // 4 * 2 for side in frame.shape[:2])
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return np.asarray(picture.to_ndarray(format="rgb24", width=width, height=height))


def cropped(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    return frame[: int(0.8 * height), : int(0.8 * width)]


def padded(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bar = frame.shape[0] // 6
    return np.pad(frame, ((bar, bar), (0, 0), (0, 0)))


def mirrored(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.clip(frame[:, ::-1].astype(float) * 1.25 + 12, 0, 255).astype(np.uint8)


def recoloured(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = frame.mean(2, keepdims=True)
    return np.clip(grey + (frame - grey) * 0.3 + np.array([12, 0, -12]), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "original": list,
    "re-encode": list,
    "resize": lambda frames: [resized(frame) for frame in frames],
    "crop": lambda frames: [cropped(frame) for frame in frames],
    "speed": lambda frames: [frames[int(number)] for number in np.arange(0, len(frames), 1.5)],
    "flip+brightness": lambda frames: [mirrored(frame) for frame in frames],
    "colour": lambda frames: [recoloured(frame) for frame in frames],
    "padding": lambda frames: [padded(frame) for frame in frames],
    "first half": lambda frames: frames[: len(frames) // 2],
    "second half": lambda frames: frames[len(frames) // 2 :],
}
COPIES = [name for name in CHANGES if name != "original" and "half" not in name]


def write(path: Path, frames: Frames, crf: int) -> None:
    """Encode frames at 25 a second."""
    import av

    height, width = (side - side % 2 for side in frames[0].shape[:2])
    options = {"threads": "1", "crf": str(crf), "preset": "veryfast"}
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            pixels = np.ascontiguousarray(frame[:height, :width])
            film.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(video.encode(None))


def describe(path: Path, network: Any) -> Features:
    """What the vectors are made of: a clip's features, the mean of colours, and the middle frame."""
    import torch

    from components.video.clip_features import clip_frames
    from components.video.decode import decode_clips_by_pyav, decode_small_frames
    from components.video.shots import colour_histogram

    small = [frame for _, frame in decode_small_frames(path, 48, 27)]
    clip = next(decode_clips_by_pyav(path, clip_frames(0, len(small), CLIP, 1)))
    return {
        "clip": network.extract_features(torch.from_numpy(clip)[None])[0].cpu().numpy(),
        "colours": np.mean([colour_histogram(frame) for frame in small], axis=0, dtype=np.float32),
        "frame": small[len(small) // 2].astype(np.float32),
    }


def sources(film: Path, network: Any, threshold: float) -> Iterator[tuple[str, Frames]]:
    """The shots of a film that are long enough, with at most 150 frames of each."""
    from components.video.decode import decode_stream
    from components.video.feature_cache import FilmInput
    from components.video.shots import find_shots

    shots = find_shots(network, threshold, FilmInput(film.stem, str(film), ""), lambda _: None)
    for number, (start, end) in enumerate(zip(shots["start_frame"], shots["end_frame"], strict=True)):
        if end - start >= SHORTEST:
            last = min(end, start + LONGEST)
            frames = [
                frame.to_ndarray(format="rgb24")
                for at, (_, frame) in enumerate(decode_stream(film, "video"))
                if start <= at < last
            ]
            yield f"{film.stem}_{number:02}", frames


def features(films: list[Path], weights: Path, cache: Path) -> dict[tuple[str, str], Features]:
    """Features of every copy of every source, read from the cache where they are there."""
    from components.video.networks.i3d import I3d
    from components.video.networks.transnet import TransNet
    from components.video.settings import VideoSettings

    shots, network = TransNet(weights / "transnetv2"), I3d(weights / "i3d")
    cache.mkdir(parents=True, exist_ok=True)
    found = dict[tuple[str, str], Features]()
    for film in films:
        for source, frames in sources(film, shots, VideoSettings().shot_threshold):
            for name, change in CHANGES.items():
                kept = cache / f"{source}_{name}.npz"
                if not kept.is_file():
                    write(cache / "copy.mp4", change(frames), crf=40 if name == "re-encode" else 23)
                    np.savez(kept, **describe(cache / "copy.mp4", network))  # type: ignore[arg-type]
                with np.load(kept) as file:
                    found[source, name] = {key: file[key] for key in ("clip", "colours", "frame")}
    return found


def precision(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Average precision of a ranking by scores."""
    hits = right[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def measure(vectors: dict[tuple[str, str], NDArray[np.float32]]) -> dict[str, float]:
    """R@1 of each kind of copy among originals, of first halves among second ones, and mAP of all copies in one pool."""
    names = sorted({source for source, _ in vectors})

    def matrix(name: str) -> NDArray[np.float32]:
        return np.stack([vectors[source, name] for source in names])

    def first(queries: str, answers: str) -> float:
        return float(((matrix(queries) @ matrix(answers).T).argmax(axis=1) == np.arange(len(names))).mean())

    found = {name: first(name, "original") for name in COPIES}
    found["half"] = first("first half", "second half")
    pool = np.concatenate([matrix(name) for name in ("original", *COPIES)])
    owner = np.tile(np.arange(len(names)), 1 + len(COPIES))
    scores = pool @ pool.T
    others = ~np.eye(len(pool), dtype=bool)
    found["mAP"] = float(
        np.mean([precision(scores[n][others[n]], owner[others[n]] == owner[n]) for n in range(len(pool))])
    )
    return found


def films_found(vectors: dict[tuple[str, str], NDArray[np.float32]], rounds: int = 40) -> dict[str, float]:
    """R@1 of films of three shots, asked for by a copy that has kept two and has one of another film as its third."""
    from components.core.linear_algebra import unit_rows
    from components.video.similar_films import match_scenes

    names, chance = sorted({source for source, _ in vectors}), np.random.default_rng(0)
    right: dict[str, list[bool]] = {"mean": [], "maximum": [], "scenes": []}
    for _ in range(rounds):
        order = chance.permutation(len(names))
        films = [[names[n] for n in order[begin : begin + 3]] for begin in range(0, len(names) - 2, 3)]
        whole = [np.stack([vectors[name, "original"] for name in film]) for film in films]
        for copy in COPIES:
            for number, film in enumerate(films):
                foreign = films[(number + 1) % len(films)][0]
                asked = np.stack([vectors[name, copy] for name in (*film[:2], foreign)])
                scores = {
                    "mean": [
                        unit_rows(asked.mean(axis=0)) @ unit_rows(other.mean(axis=0)) for other in whole
                    ],
                    "maximum": [
                        unit_rows(asked.max(axis=0)) @ unit_rows(other.max(axis=0)) for other in whole
                    ],
                    "scenes": [match_scenes(asked, other) for other in whole],
                }
                for way, values in scores.items():
                    right[way].append(int(np.argmax(values)) == number)
    return {way: float(np.mean(hits)) for way, hits in right.items()}


def likeness(vectors: dict[tuple[str, str], NDArray[np.float32]]) -> dict[str, list[float]]:
    """Cosines of copies of one shot and of shots of different films: the 5th, 50th and 95th percentile."""
    keys = [key for key in vectors if key[1] == "original" or key[1] in COPIES]
    matrix = np.stack([vectors[key] for key in keys])
    source = np.array([key[0] for key in keys])
    film = np.array([key[0].rsplit("_", 1)[0] for key in keys])
    scores = matrix @ matrix.T
    copies = (source[:, None] == source) & ~np.eye(len(keys), dtype=bool)
    parts = {"copies": copies, "different films": film[:, None] != film}
    return {name: np.percentile(scores[part], [5, 50, 95]).tolist() for name, part in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[Path("data/packages/clips"), Path("../shared/data/videos")]
    )
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--cache", type=Path, default=Path(".tandem/video_similarity"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    from components.core.linear_algebra import unit_rows
    from components.video.settings import VideoSettings
    from components.video.signatures import clip_signatures

    weight = VideoSettings.read_in().colour_weight
    films = [film for folder in options.data for film in sorted(folder.glob("*.mp4"))]
    described = features(films, options.weights, options.cache)
    vectors: dict[str, Callable[[Features], NDArray[np.float32]]] = {
        "film vector": lambda of: clip_signatures(of["clip"][None], of["colours"][None], weight)[0],
        "its root of I3D alone": lambda of: unit_rows(np.sqrt(of["clip"])),
        "I3D": lambda of: unit_rows(of["clip"]),
        "colour histogram": lambda of: unit_rows(of["colours"]),
        "single frame": lambda of: unit_rows((of["frame"] - of["frame"].mean()).ravel()),
    }
    report: dict[str, Any] = {}
    for part, chosen in {"chosen on": True, "reported": False}.items():
        own = {key: value for key, value in described.items() if key[0].startswith(CHOSEN_ON) == chosen}
        table = {
            name: measure({key: make(value) for key, value in own.items()}) for name, make in vectors.items()
        }
        report[part] = {"sources": len({source for source, _ in own}), "vectors": table}
        print(part, report[part]["sources"], "sources")
        for name, values in table.items():
            print(f"{name:24}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))
    own_vectors = {key: vectors["film vector"](value) for key, value in described.items()}
    report["films of three shots, R@1"] = films_found(own_vectors)
    report["cosines"] = likeness(own_vectors)
    print(report["films of three shots, R@1"], report["cosines"])
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
