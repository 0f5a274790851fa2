"""The picture of docs/video.md: the bundled clips, and a film joined of them, as the page of films shows them.

python benchmarks/video_picture.py docs/images/video.png --browser /usr/bin/chromium
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from video_fuzz import run

WIDTH, HEIGHT = 480, 270


def join(clips: list[Path], path: Path) -> Path:
    """One film of several clips, one after the other."""
    import av

    from components.video.decode import decode_small_frames

    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for clip in clips:
            for _, frame in decode_small_frames(clip, WIDTH, HEIGHT):
                pixels = np.ascontiguousarray(frame)
                film.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(video.encode(None))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--clips", type=Path, default=Path("data/packages/clips"))
    parser.add_argument("--weights", type=Path, default=Path("data/packages/weights"))
    parser.add_argument("--browser", default="/usr/bin/chromium")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from components.video import film_vectors, html_report, similar_films
    from components.video.settings import VideoSettings

    settings = VideoSettings.read_in()
    clips = sorted(options.clips.glob("*.mp4"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        films = {clip.stem.removesuffix("_pristine"): clip for clip in clips}
        run(folder, films | {"all of them": join(clips, folder / "joined.mp4")}, options.weights, settings)
        names = ("films.h5", "vectors.parquet", "neighbours.parquet", "films.html")
        store, vectors, near, page = (folder / name for name in names)
        film_vectors.main(store, vectors, settings=settings)
        similar_films.main(store, vectors, near, settings=settings)
        html_report.main(store, near, page, settings=settings)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.browser)
            view = browser.new_page(viewport={"width": 1180, "height": 700})
            view.goto(page.as_uri())
            view.locator("section").first.screenshot(path=options.picture)
            browser.close()


if __name__ == "__main__":
    main()
