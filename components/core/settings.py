"""Base classes of settings: each package has one YAML file in `conf/` and one pydantic model beside its code."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import SettingsError

CONF = Path("conf")


class Conf(BaseModel):
    """The content of one file of `conf/`; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    conf_file: ClassVar[str]
    # Old names are kept to explain them: a workspace of an earlier version still has them in its files
    old_file: ClassVar[str | None] = None
    renamed_keys: ClassVar[dict[str, str]] = {}

    @classmethod
    def default_path(cls) -> Path:
        """Return the path of the settings file, relative to the project."""
        return CONF / cls.conf_file

    @classmethod
    def read_in(cls, root: Path = Path()) -> Self:
        """Read and check the settings file of a project, as `read` does."""
        return cls.read(root / cls.default_path())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a settings file.

        Raises SettingsError naming the file, the key and the nearest known key, or the new name of an old key.
        """
        if not path.is_file() and cls.old_file and path.with_name(cls.old_file).is_file():
            raise SettingsError(f"{path.with_name(cls.old_file)} is now called {path.name}. Rename it.")
        if not path.is_file():
            raise SettingsError(f"{path} is missing. Restore it with: git checkout {path}")
        try:
            # An empty file is None to YAML, and means the defaults
            return cls(**(yaml.safe_load(path.read_text()) or {}))
        except yaml.YAMLError as error:
            raise SettingsError(f"{path} is not YAML: {error}. Correct that line.") from None
        except ValidationError as error:
            raise SettingsError(
                "\n".join(cls._explain_error(path, detail) for detail in error.errors())
            ) from None

    @classmethod
    def _explain_error(cls, path: Path, error: Any) -> str:
        key = ".".join(map(str, error["loc"]))
        if error["type"] != "extra_forbidden":
            return f"{path}, {key}: {error['msg']} (it is {error['input']!r}). Correct that value."
        if key in cls.renamed_keys:
            return f"{path}, {key}: this key is now called {cls.renamed_keys[key]}. Rename it."
        nearest = get_close_matches(str(error["loc"][-1]), list(cls.model_fields), n=1)
        if nearest:
            return f"{path}, {key}: unknown key. Did you mean {nearest[0]}?"
        return f"{path}, {key}: unknown key. Known keys: {', '.join(cls.model_fields)}."


class Settings(Conf):
    """Settings of one package."""

    seed: int = Field(42, ge=0, description="Seed of every random choice in the package")
