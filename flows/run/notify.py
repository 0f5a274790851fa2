"""Send messages about how a run ended through Prefect's notification blocks."""

import logging
from collections.abc import Iterable

import prefect.blocks.notifications  # noqa: F401  Prefect's blocks are loaded by name once they are imported
from prefect.blocks.core import Block

log = logging.getLogger(__name__)


def send_notification(blocks: Iterable[str], subject: str, body: str) -> None:
    """Send a message through each block, named type/name; log a block that fails, and go on."""
    for block in blocks:
        try:
            Block.load(block).notify(body, subject)  # type: ignore[union-attr]
        except Exception:  # a webhook that is down must not fail a run that published well
            log.exception("The notification block %s could not send: %s", block, subject)
