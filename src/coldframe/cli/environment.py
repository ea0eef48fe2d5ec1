"""The environment variables that make AWS's clients speak to a Coldframe server, and how shells set them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from coldframe.cli.running_server import RunningServer
from coldframe.data_directory import RootCredentials

STRONGER_THAN_OURS = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
"""Variables that would turn a client away from the ones set here, or make it add what does not belong to them."""


@dataclass(frozen=True)
class Environment:
    """What to set and what to take away."""

    values: dict[str, str]
    absent: list[str]

    def apply_to(self, variables: Mapping[str, str]) -> dict[str, str]:
        """These variables after the change."""
        return {name: value for name, value in variables.items() if name not in self.absent} | self.values


def environment_of(server: RunningServer, credentials: RootCredentials, present: Mapping[str, str]) -> Environment:
    """The change to `present` after which AWS's clients speak to this server as its root user."""
    values = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_REGION": server.region,
        "AWS_ACCOUNT_ID": server.account_id,
    }
    if any(name.lower() in {"http_proxy", "all_proxy"} for name in present):
        values |= _past_the_proxy(server, present)
    # a service's own AWS_ENDPOINT_URL_S3 would win over AWS_ENDPOINT_URL
    own_endpoints = sorted(name for name in present if name.startswith("AWS_ENDPOINT_URL_"))
    return Environment(values, [*STRONGER_THAN_OURS, *own_endpoints])


def _past_the_proxy(server: RunningServer, present: Mapping[str, str]) -> dict[str, str]:
    host = urlsplit(server.url).hostname or ""
    # clients differ in which spelling they read, and in which comes first
    listed = present.get("no_proxy", present.get("NO_PROXY", ""))
    hosts = [entry.strip() for entry in listed.split(",") if entry.strip()]
    joined = ",".join(hosts if host in hosts or "*" in hosts else [*hosts, host])
    return {"NO_PROXY": joined, "no_proxy": joined}


def for_posix_shell(environment: Environment) -> str:
    """Lines for sh, bash, zsh, dash and ksh to evaluate."""
    lines = [f"unset {' '.join(environment.absent)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.values.items()]
    return "\n".join(lines)


def for_fish(environment: Environment) -> str:
    """Lines for fish: `coldframe env --shell fish | source`."""
    lines = [f"set -e {name};" for name in environment.absent]  # a missing one is no error there, only a status
    lines += [f"set -gx {name} {_quote_for_fish(value)};" for name, value in environment.values.items()]
    return "\n".join(lines)


def _quote_for_fish(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
