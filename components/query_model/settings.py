"""Settings of the query model, read from `conf/query_model.yaml`, and its error."""

from components.core.errors import TandemError
from components.core.settings import Settings


class QueryModelError(TandemError):
    """A query model that cannot be made or read."""


class QueryModelSettings(Settings):
    """Settings of the export of the query model."""

    conf_file = "query_model.yaml"
