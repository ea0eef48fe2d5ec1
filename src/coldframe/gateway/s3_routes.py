"""Finds an S3 operation: the bucket is in the path or in the host, and all the rest of the path is the key."""

from botocore.model import ServiceModel

from coldframe.gateway.errors import InvalidURI
from coldframe.gateway.rest_routes import Choice, candidate_of, decode_path

# Of two operations that no request tells apart, the one for general purpose buckets is meant; and answers of object
# lambdas go to a host of their own.
NOT_ROUTED = {"ListDirectoryBuckets", "WriteGetObjectResponse"}
_TEMPLATES = {"/": 0, "/{Bucket}": 1, "/{Bucket}/{Key+}": 2}


class S3Routes:
    """S3's operations on the service, on buckets and on objects."""

    def __init__(self, service: ServiceModel) -> None:
        self._choices: tuple[dict[str, Choice], ...] = ({}, {}, {})
        for name in service.operation_names:
            if name in NOT_ROUTED:
                continue
            model = service.operation_model(name)
            path, candidate = candidate_of(model)
            self._choices[_TEMPLATES[path]].setdefault(model.http["method"], Choice()).add(candidate)

    def find(
        self, method: str, raw_path: str, query_string: str, headers: dict[str, str], bucket: str | None
    ) -> tuple[str, dict[str, str]] | None:
        """The operation, with its Bucket and Key; None if S3 has none for this method and path.

        Nothing of a key is cleaned up: double slashes, dots and what looks like a parent folder stay as they are.
        """
        rest = raw_path[1:]
        if bucket is None:
            encoded_bucket, _, rest = rest.partition("/")
            bucket = decode_path(encoded_bucket)
            if rest and not bucket:
                raise InvalidURI(reason="the bucket's name is empty")
        values = {}
        level = 0
        if bucket:
            values["Bucket"] = bucket
            level = 1
            if rest:
                values["Key"] = decode_path(rest)
                level = 2
        choice = self._choices[level].get(method)
        operation = choice.find(query_string, headers, strict=True) if choice is not None else None
        return (operation, values) if operation is not None else None
