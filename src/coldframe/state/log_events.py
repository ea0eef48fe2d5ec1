"""Log events: lines with a time, in streams; and the writer through which jobs and endpoints log."""

from coldframe.state.state import State


class LogWriter:
    """Writes lines to one log stream, in order, without ever making the caller wait.

    Group and stream are made if they are not there. Lines gather while a batch is being written, so that many lines
    cost few commits.
    """

    def __init__(self, state: State, group: str, stream: str) -> None:
        raise NotImplementedError

    def append(self, text: str, written_at: float) -> None:
        """Take a line, written at this time (seconds since 1970 UTC). Never blocks; keeps the order of calls."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Wait until few enough lines are queued that more may come: back-pressure for whoever produces very many."""
        raise NotImplementedError

    async def close(self) -> None:
        """Return when every line is durable."""
        raise NotImplementedError
