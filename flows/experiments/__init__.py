"""Compare versions, sweep settings, reproduce a published version."""
