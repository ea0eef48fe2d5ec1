"""Access control lists, which say that a bucket and its objects belong to their owner alone."""

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3.addressing import bucket_of, existing_bucket, object_of, owner
from coldframe.services.s3.object_reads import existing_object
from coldframe.state.state import State


@operation("s3", "GetBucketAcl", action="s3:GetBucketAcl", resource=bucket_of)
async def get_bucket_acl(call: AllowedCall, state: State) -> Parameters:
    """Tell that the owner has full control."""
    existing_bucket(call, state)
    return _owner_alone(state)


@operation("s3", "GetObjectAcl", action="s3:GetObjectAcl", resource=object_of)
async def get_object_acl(call: AllowedCall, state: State) -> Parameters:
    """Tell that the owner has full control."""
    existing_object(call, state)
    return _owner_alone(state)


def _owner_alone(state: State) -> Parameters:
    account = owner(state)
    grant = {"Grantee": {**account, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    return {"Owner": account, "Grants": [grant]}
