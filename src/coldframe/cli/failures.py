"""How a command ends when it cannot do what was asked: with one sentence that says why and what to do."""


class CommandFailure(Exception):
    """The command cannot go on; the message is printed as it is, and the exit code is returned."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        self.exit_code = exit_code
        super().__init__(sentence)
