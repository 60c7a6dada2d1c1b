"""Why there is no op."""


class UnavailableError(RuntimeError):
    """The op cannot be compiled or loaded here; one line says why."""
