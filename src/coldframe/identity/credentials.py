"""Access keys: what is known of each, and the account's root key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from coldframe.arns import Scope
from coldframe.calls import Principal
from coldframe.chance import Chance
from coldframe.data_directory import RootCredentials

ACCESS_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # noqa: S105 - letters, no secret


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key and whom it stands for."""

    access_key_id: str
    secret_access_key: str
    principal: Principal
    session_token: str = ""
    """What must come with a temporary key; empty for a lasting one."""
    expires_at: float | None = None
    """Seconds since 1970 UTC after which a temporary key is refused."""


class Credentials(Protocol):
    """Where access keys are looked up. Asked at every request, so it answers from memory whenever it can."""

    def find(self, access_key_id: str) -> Credential | None:
        """The key, if there is one of that id and it is active."""
        ...


class AccountCredentials:
    """The keys of one account. Today it has its root key only."""

    def __init__(self, root: RootCredentials, scope: Scope) -> None:
        self._by_id = {root.access_key_id: root_credential(root, scope)}

    def find(self, access_key_id: str) -> Credential | None:
        """The key, if there is one of that id."""
        return self._by_id.get(access_key_id)


def root_credential(root: RootCredentials, scope: Scope) -> Credential:
    """The root key together with the principal that it stands for."""
    principal = Principal(
        arn=scope.root_arn(),
        account_id=scope.account_id,
        kind="root",
        user_id=scope.account_id,
        access_key_id=root.access_key_id,
    )
    return Credential(root.access_key_id, root.secret_access_key, principal)


def open_root_credentials(data_directory: Path, chance: Chance) -> RootCredentials:
    """The root key that the data directory keeps; made, and on the disk, if it has none yet."""
    kept = RootCredentials.read(data_directory)
    if kept is not None:
        return kept
    made = RootCredentials("AKIA" + chance.secret(ACCESS_KEY_ALPHABET, 16), chance.secret(SECRET_ALPHABET, 40))
    made.write(data_directory)
    return made
