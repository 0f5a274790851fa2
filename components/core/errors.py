"""Errors that a person can fix; the command line prints them without a traceback and exits with status 2."""


class TandemError(Exception):
    """An error with a message of two sentences: what is wrong and where, and how to fix it."""


class SettingsError(TandemError):
    """A settings file that is missing or invalid."""
