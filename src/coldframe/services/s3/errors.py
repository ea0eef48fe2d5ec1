"""What S3 says when it cannot do as asked; codes, statuses and words are AWS's."""

from coldframe.errors import AwsError

# Messages end as AWS's do, some without a full stop, and some consist of one field that the raiser fills: hence the
# exemption from docstring rules on the lines below.


class NoSuchBucket(AwsError):
    """The specified bucket does not exist"""

    status = 404


class NoSuchKey(AwsError):
    """The specified key does not exist."""

    status = 404


class NoSuchUpload(AwsError):
    """The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or
    completed.
    """  # noqa: D205

    status = 404


class NoSuchVersion(AwsError):
    """The specified version does not exist."""

    status = 404


class NoSuchTagSet(AwsError):
    """The TagSet does not exist"""

    status = 404


class NoSuchPublicAccessBlockConfiguration(AwsError):
    """The public access block configuration was not found"""

    status = 404


class AccessDenied(AwsError):
    """Access Denied"""

    status = 403


class BucketAlreadyOwnedByYou(AwsError):
    """Your previous request to create the named bucket succeeded and you already own it."""

    status = 409


class BucketNotEmpty(AwsError):
    """The bucket you tried to delete is not empty"""

    status = 409


class InvalidBucketName(AwsError):
    """The specified bucket is not valid."""


class IllegalLocationConstraintException(AwsError):
    """The {constraint} location constraint is incompatible for the region specific endpoint this request was sent
    to.
    """  # noqa: D205


class InvalidBucketAclWithObjectOwnership(AwsError):
    """Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"""


class AccessControlListNotSupported(AwsError):
    """The bucket does not allow ACLs"""


class KeyTooLongError(AwsError):
    """Your key is too long"""


class InvalidURI(AwsError):
    """Couldn't parse the specified URI."""


class InvalidArgument(AwsError):
    """{message}"""


class InvalidRequest(AwsError):
    """{message}"""


class BadRequest(AwsError):
    """{message}"""


class InvalidTag(AwsError):
    """{message}"""


class MalformedXML(AwsError):
    """The XML you provided was not well-formed or did not validate against our published schema"""


class MetadataTooLarge(AwsError):
    """Your metadata headers exceed the maximum allowed metadata size"""


class EntityTooLarge(AwsError):
    """Your proposed upload exceeds the maximum allowed size"""


class EntityTooSmall(AwsError):
    """Your proposed upload is smaller than the minimum allowed size"""


class InvalidPart(AwsError):
    """One or more of the specified parts could not be found. The part may not have been uploaded, or the specified
    entity tag may not match the part's entity tag.
    """  # noqa: D205


class InvalidPartOrder(AwsError):
    """The list of parts was not in ascending order. Parts must be ordered by part number."""


class InvalidPartNumber(AwsError):
    """The requested partnumber is not satisfiable"""

    status = 416


class InvalidRange(AwsError):
    """The requested range is not satisfiable"""

    status = 416


class InvalidDigest(AwsError):
    """The Content-MD5 you specified was invalid."""


class BadDigest(AwsError):
    """The {digest} you specified did not match {computed}."""


class MalformedTrailerError(AwsError):
    """The request contained trailing data that was not well-formed or did not conform to our published schema."""


class IncompleteBody(AwsError):
    """You did not provide the number of bytes specified by the Content-Length HTTP header"""


class PreconditionFailed(AwsError):
    """At least one of the pre-conditions you specified did not hold"""

    status = 412


class NotImplementedHere(AwsError):
    """A header or parameter you provided implies functionality that Coldframe does not implement: {what}."""

    code = "NotImplemented"
    status = 501
