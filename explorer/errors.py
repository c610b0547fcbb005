"""The base of every exception that explorer raises on purpose."""


class ExplorerError(Exception):
    """Something a visitor asked for cannot be done; the message is one plain sentence that may be shown as it is."""
