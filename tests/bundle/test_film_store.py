"""What a bundle carries of films."""

import base64
import io
import shutil
from pathlib import Path

from PIL import Image

from components.bundle.stores.film_store import FilmStore, write_films
from components.video.html_report import MAX_PREVIEW_CLIPS, make_film_previews
from tests import films as small


def test_an_items_films_come_back_with_their_scenes_pictures_and_neighbours(tmp_path: Path) -> None:
    write_films(tmp_path / "films", make_film_previews(*small.write_films(tmp_path, ["a", "b", "a"])))
    films = FilmStore.load(tmp_path / "films")
    first, third = films.of_item("a")
    assert (first["name"], third["name"]) == ("film-0", "film-2")
    assert (first["seconds"], first["shots"]) == (6.0, 6)
    assert [[clip["shot"] for clip in scene] for scene in first["scenes"]] == [[0, 1], [2, 3, 4, 5]]
    picture = base64.b64decode(first["scenes"][0][0]["picture"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(picture)).size == (112, 112)
    [neighbour] = first["neighbours"]
    assert (neighbour["item_id"], neighbour["similarity"]) == ("b", 0.9)
    assert "a" in films and "c" not in films and films.of_item("c") == []


def test_films_are_read_after_their_folder_is_gone(tmp_path: Path) -> None:
    write_films(tmp_path / "films", make_film_previews(*small.write_films(tmp_path, ["a"])))
    films = FilmStore.load(tmp_path / "films")
    shutil.rmtree(tmp_path / "films")
    assert films.of_item("a")[0]["name"] == "film-0"


def test_a_long_film_carries_pictures_from_all_of_it(tmp_path: Path) -> None:
    [film] = make_film_previews(*small.write_films(tmp_path, ["a"], shots=3 * MAX_PREVIEW_CLIPS))
    shown = [clip["shot"] for scene in film["scenes"] for clip in scene]
    assert len(shown) == MAX_PREVIEW_CLIPS and (shown[0], shown[-1]) == (0, 3 * MAX_PREVIEW_CLIPS - 1)
