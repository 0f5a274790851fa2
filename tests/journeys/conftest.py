"""One copy of the project for all journeys, gone through once by `tandem run`."""

from pathlib import Path

import pytest

from tests.journeys.clone import Clone, make_clone


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory, small_encoder_folder: Path) -> Clone:
    return make_clone(tmp_path_factory.mktemp("clone"), small_encoder_folder)


@pytest.fixture(scope="session")
def first(clone: Clone) -> str:
    """What the first run prints."""
    return clone.tandem("run")
