"""Tell people how a run ended, through Prefect's notification blocks."""

import logging
from collections.abc import Iterable

import prefect.blocks.notifications  # noqa: F401  Prefect's blocks are loaded by name once they are imported
from prefect.blocks.core import Block

log = logging.getLogger(__name__)


def notify(blocks: Iterable[str], subject: str, body: str) -> None:
    """Send a message through each block, named type/name; one that fails is logged and stops nothing."""
    for block in blocks:
        try:
            Block.load(block).notify(body, subject)  # type: ignore[union-attr]
        except Exception:
            log.exception("The notification block %s could not send: %s", block, subject)
