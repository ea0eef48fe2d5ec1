"""How an operation is declared: its name, the permission that it needs, and the function that does it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Answer, Parameters
from coldframe.state.state import State

Handler = Callable[[AllowedCall, State], Awaitable[Parameters | Answer]]
ResourceArn = Callable[[Parameters, Scope], str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One AWS operation, as Coldframe carries it out."""

    service: str
    """botocore's name of the service, such as `sagemaker-runtime`."""
    name: str
    """botocore's name of the operation, such as `InvokeEndpoint`."""
    action: str
    """The IAM action that the caller needs, such as `sagemaker:InvokeEndpoint`."""
    resource: ResourceArn
    """The ARN that the action is checked on, from the call's parameters."""
    handler: Handler
    partial: str
    """What is not carried out, in a sentence for docs/compatibility.md; empty when all is."""

    @property
    def key(self) -> tuple[str, str]:
        """How the catalog finds it."""
        return self.service, self.name


def any_resource(_parameters: Parameters, _scope: Scope) -> str:
    """For actions that AWS checks on no particular resource."""
    return "*"


def operation(
    service: str, name: str, *, action: str, resource: ResourceArn = any_resource, partial: str = ""
) -> Callable[[Handler], Operation]:
    """Declare the function below as the one that carries out an operation.

    Args:
        service: botocore's name of the service.
        name: botocore's name of the operation.
        action: the IAM action that the caller needs.
        resource: gives the ARN that the action is checked on.
        partial: what is not carried out, as a sentence; nothing when all is.
    """

    def declare(handler: Handler) -> Operation:
        return Operation(service, name, action, resource, handler, partial)

    return declare


def operations_of(*modules: ModuleType) -> dict[tuple[str, str], Operation]:
    """The operations that these modules declare, by service and name."""
    found: dict[tuple[str, str], Operation] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Operation):
                if value.key in found:
                    raise ValueError(f"{value.service}:{value.name} is declared twice")
                found[value.key] = value
    return found
