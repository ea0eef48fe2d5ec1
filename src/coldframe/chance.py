"""Chance and identifiers, given to whoever needs them, so that a test can give others."""

import random
import secrets
import uuid
from typing import Protocol


class Chance(Protocol):
    """A source of identifiers and secrets."""

    def uuid(self) -> str:
        """A random UUID in its usual form of 36 characters."""
        ...

    def hexadecimal(self, digits: int) -> str:
        """A random string of so many hexadecimal digits."""
        ...

    def secret(self, alphabet: str, length: int) -> str:
        """A string that nobody can guess, drawn from an alphabet."""
        ...

    def fraction(self) -> float:
        """A random number from 0 to just below 1."""
        ...


class SystemChance:
    """The operating system's source of chance."""

    def uuid(self) -> str:
        """A random UUID in its usual form of 36 characters."""
        return str(uuid.uuid4())

    def hexadecimal(self, digits: int) -> str:
        """A random string of so many hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def secret(self, alphabet: str, length: int) -> str:
        """A string that nobody can guess, drawn from an alphabet."""
        return "".join(secrets.choice(alphabet) for _ in range(length))

    def fraction(self) -> float:
        """A random number from 0 to just below 1."""
        return random.random()
