"""The base of every exception that explorer raises on purpose, and the one that ends what takes long."""


class ExplorerError(Exception):
    """Something a visitor asked for cannot be done; the message is one plain sentence that may be shown as it is."""


class Cancelled(ExplorerError):
    """Someone asked to stop before it was finished."""
