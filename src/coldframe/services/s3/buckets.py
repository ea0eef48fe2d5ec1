"""Buckets themselves: create, head, list, delete, location."""

import re

from sqlalchemy import Connection

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import bucket_of, existing_bucket, owner, refuse_unsupported, whole_seconds
from coldframe.services.s3.attributes import GRANTS, HARMLESS_ACLS
from coldframe.services.s3.listings import make_token, read_token
from coldframe.services.s3.tags import BUCKET_TAGS, tags_of_set
from coldframe.state.buckets import BucketRecord, add_bucket, find_bucket, remove_bucket
from coldframe.state.buckets import list_buckets as list_bucket_records
from coldframe.state.multipart_uploads import end_uploads_of_bucket
from coldframe.state.objects import bucket_has_objects
from coldframe.state.state import State

CLASSIC_REGION = "us-east-1"
BUCKETS_ON_A_PAGE = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


@operation("s3", "CreateBucket", action="s3:CreateBucket", resource=bucket_of)
async def create_bucket(call: AllowedCall, state: State) -> Parameters:
    """Create a bucket. Doing so again is an error, but, as ever on AWS, not in us-east-1."""
    parameters = call.parameters
    refuse_unsupported(parameters)
    name = _checked_name(parameters["Bucket"])
    configuration = parameters.get("CreateBucketConfiguration") or {}
    if configuration.get("Bucket") or configuration.get("Location"):
        raise errors.NotImplementedHere(what="directory buckets")
    if parameters.get("ACL") not in HARMLESS_ACLS or any(parameters.get(grant) for grant in GRANTS):
        raise errors.InvalidBucketAclWithObjectOwnership
    region = _region(configuration.get("LocationConstraint"), state.scope.region)
    tags = tags_of_set(configuration.get("Tags") or (), BUCKET_TAGS)
    record = BucketRecord(name, region, state.clock.now(), tags)
    existing = await state.database.write(lambda connection: add_bucket(connection, record))
    if existing is not None and not existing.region == region == CLASSIC_REGION:
        raise errors.BucketAlreadyOwnedByYou(members={"BucketName": name})
    return {"Location": f"/{name}"}


def _checked_name(name: str) -> str:
    allowed = (
        _NAME.fullmatch(name)
        and ".." not in name
        and not _ADDRESS.fullmatch(name)
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )
    if not allowed:
        raise errors.InvalidBucketName(members={"BucketName": name})
    return name


def _region(constraint: str | None, own_region: str) -> str:
    """Where the bucket is said to be: us-east-1 makes buckets for any region, the others only for themselves."""
    if own_region == CLASSIC_REGION:  # which is itself no constraint that S3's model knows
        return {None: CLASSIC_REGION, "": CLASSIC_REGION, "EU": "eu-west-1"}.get(constraint, constraint or "")
    if not constraint:
        raise errors.IllegalLocationConstraintException(constraint="unspecified")
    if constraint != own_region and not (constraint == "EU" and own_region == "eu-west-1"):
        raise errors.IllegalLocationConstraintException(constraint=constraint)
    return own_region


@operation("s3", "HeadBucket", action="s3:ListBucket", resource=bucket_of)
async def head_bucket(call: AllowedCall, state: State) -> Parameters:
    """Tell whether there is such a bucket, and where."""
    return {"BucketRegion": existing_bucket(call, state).region}


@operation("s3", "GetBucketLocation", action="s3:GetBucketLocation", resource=bucket_of)
async def get_bucket_location(call: AllowedCall, state: State) -> Parameters:
    """Tell where the bucket is; nothing stands for us-east-1."""
    region = existing_bucket(call, state).region
    return {} if region == CLASSIC_REGION else {"LocationConstraint": region}


@operation("s3", "ListBuckets", action="s3:ListAllMyBuckets")
async def list_buckets(call: AllowedCall, state: State) -> Parameters:
    """List the account's buckets by name."""
    parameters = call.parameters
    limit = min(max(parameters.get("MaxBuckets", BUCKETS_ON_A_PAGE), 1), BUCKETS_ON_A_PAGE)
    token = parameters.get("ContinuationToken")
    after = read_token(token).decode(errors="replace") if token else ""
    prefix, region = parameters.get("Prefix") or "", parameters.get("BucketRegion")
    found = state.database.read(
        lambda connection: list_bucket_records(connection, prefix=prefix, after_name=after, limit=limit + 1)
    )
    page = found[:limit]
    told: Parameters = {
        "Buckets": [
            {"Name": bucket.name, "CreationDate": whole_seconds(bucket.created_at), "BucketRegion": bucket.region}
            for bucket in page
            if region is None or bucket.region == region
        ],
        "Owner": owner(state),
    }
    if parameters.get("Prefix"):
        told["Prefix"] = prefix
    if len(found) > limit:
        told["ContinuationToken"] = make_token(page[-1].name.encode())
    return told


@operation("s3", "DeleteBucket", action="s3:DeleteBucket", resource=bucket_of)
async def delete_bucket(call: AllowedCall, state: State) -> Parameters:
    """Delete an empty bucket, and with it the multipart uploads to it that were not completed."""
    name = existing_bucket(call, state).name

    def work(connection: Connection) -> list[str]:
        if find_bucket(connection, name) is None:
            raise errors.NoSuchBucket(members={"BucketName": name})
        if bucket_has_objects(connection, name):
            raise errors.BucketNotEmpty(members={"BucketName": name})
        loose = list(end_uploads_of_bucket(connection, name))
        remove_bucket(connection, name)
        return loose

    state.blobs.discard(await state.database.write(work))
    return {}
