"""May the caller do that? The only maker of AllowedCall. Today the account's root may do all, and others nothing."""

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, ParsedCall, SignedCall
from coldframe.identity.dialects import dialect_of
from coldframe.services.operation import Operation


def authorize(parsed: ParsedCall, operation: Operation, scope: Scope) -> AllowedCall:
    """Let the call pass, or raise the service's own error, in which AWS's text says who was refused what and why."""
    signed = parsed.signed
    if signed.principal.kind != "root":
        refuse(signed, operation.action, operation.resource(parsed.parameters, scope))
    routed = signed.routed
    return AllowedCall(routed.service, routed.operation, parsed.parameters, signed.principal, scope, routed.request)


def refuse_anonymous(signed: SignedCall) -> None:
    """For operations that have no permission to ask for: at least the caller must be known."""
    if signed.principal.kind == "anonymous":
        raise dialect_of(signed.routed.service).unsigned()


def refuse(signed: SignedCall, action: str, resource: str) -> None:
    """Raise what the service says to a caller who may not."""
    refuse_anonymous(signed)
    raise dialect_of(signed.routed.service).denied(
        f"User: {signed.principal.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
