"""Which of botocore's services a signature's scope, or a host name, can mean."""

from dataclasses import dataclass
from urllib.parse import unquote

from coldframe.calls import Request

# A signature's scope names its service. Where several services share a name, the first that has an operation for the
# request takes it. A service that is not here is refused before its model is read: anybody can name one, unsigned, and
# the models of all of AWS's services would fill some 400 MB.
SIGNING_NAMES: dict[str, tuple[str, ...]] = {
    "application-autoscaling": ("application-autoscaling",),
    "cloudtrail": ("cloudtrail",),
    "ec2": ("ec2",),
    "iam": ("iam",),
    "lambda": ("lambda",),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "s3": ("s3", "s3control"),
    "s3express": ("s3",),
    "sagemaker": (
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-metrics",
        "sagemaker-featurestore-runtime",
        "sagemaker-a2i-runtime",
        "sagemaker-edge",
    ),
    "sts": ("sts",),
}

# Host names tell the service of a request that is not signed. The longest beginning counts.
HOST_PREFIXES: dict[str, str] = {
    "api.sagemaker": "sagemaker",
    "application-autoscaling": "application-autoscaling",
    "cloudtrail": "cloudtrail",
    "ec2": "ec2",
    "iam": "iam",
    "lambda": "lambda",
    "logs": "logs",
    "monitoring": "monitoring",
    "runtime.sagemaker": "sagemaker",
    "sts": "sts",
}

# The only operations that are called without a signature are of the query protocol; their version tells the service.
QUERY_VERSIONS: dict[str, str] = {
    "2010-05-08": "iam",
    "2010-08-01": "cloudwatch",
    "2011-06-15": "sts",
    "2016-11-15": "ec2",
}


FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
"""What the query protocols' requests are."""


@dataclass(frozen=True, slots=True)
class HostName:
    """What a host name tells."""

    signing_name: str | None
    """The service as a signature would name it, where the host tells."""
    bucket: str | None
    """The bucket, where the host has one before S3's own name; to be used only if the request is for S3."""


_UNTELLING = HostName(None, None)


def read_host(host: str) -> HostName:
    """What the Host header of a request tells of its service and bucket."""
    name = host.partition(":")[0].lower().rstrip(".") if not host.startswith("[") else ""
    labels = name.split(".")
    if len(labels) < 2 or name.replace(".", "").isdigit():
        return _UNTELLING  # `localhost`, or an address
    at = _place_of_s3(labels)
    if at is not None:
        return HostName("s3", _in_its_case(host, labels[:at]))
    for count in (2, 1):
        service = HOST_PREFIXES.get(".".join(labels[:count]))
        if service is not None and len(labels) > count:
            return HostName(service, None)
    if labels[-1] == "localhost":
        return HostName(None, _in_its_case(host, labels[:-1]))
    return _UNTELLING


def _place_of_s3(labels: list[str]) -> int | None:
    """Which label is S3's own: `s3`, `s3-us-west-2`, `s3-accelerate`, ...; the last, as a bucket may be called so."""
    of_aws = "amazonaws" in labels
    for at in range(len(labels) - 2, -1, -1):
        label = labels[at]
        if label == "s3" or (of_aws and label.startswith("s3-") and label != "s3-control"):
            return at
    return None


def _in_its_case(host: str, labels: list[str]) -> str | None:
    """The first labels of a host as they were sent: a bucket's name is never folded into one that exists."""
    if not labels:
        return None
    return host[: len(".".join(labels))]


def signing_name_of(request: Request) -> str | None:
    """The service that a signature's scope names, as AWS calls it there; None for a request that is not signed so."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        start = authorization.find("Credential=")
        if start >= 0:
            return _service_in_scope(authorization[start + 11 :].partition(",")[0])
        if authorization.startswith("AWS "):
            return "s3"  # the signature of old, which only S3 still has
        return None
    query = request.query_string
    start = query.find("X-Amz-Credential=")
    if start >= 0:
        return _service_in_scope(unquote(query[start + 17 :].partition("&")[0]))
    return None


def _service_in_scope(credential: str) -> str | None:
    parts = credential.strip().split("/")
    return parts[-2] if len(parts) >= 4 and parts[-2] else None
