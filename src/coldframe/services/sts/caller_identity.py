"""Who am I? GetCallerIdentity, which AWS lets everybody ask who has a key."""

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.state.state import State


@operation("sts", "GetCallerIdentity", action="sts:GetCallerIdentity")
async def get_caller_identity(call: AllowedCall, _state: State) -> Parameters:
    """The account, ARN and id of the caller."""
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account_id, "Arn": principal.arn}
