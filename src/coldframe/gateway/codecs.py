"""Compiles the codec of an operation in one of its protocols, at its first use, and keeps it."""

from botocore.model import OperationModel

from coldframe.gateway.models import Models
from coldframe.gateway.protocols.aws_json import JsonCodec
from coldframe.gateway.protocols.codec import OperationCodec
from coldframe.gateway.protocols.error_shapes import ErrorShapes
from coldframe.gateway.protocols.query import Ec2Codec, QueryCodec
from coldframe.gateway.protocols.rest_json import RestJsonCodec
from coldframe.gateway.protocols.rest_xml import RestXmlCodec
from coldframe.gateway.protocols.rpc_cbor import RpcCborCodec
from coldframe.gateway.protocols.s3_xml import S3Codec

PROTOCOLS: dict[str, type[OperationCodec]] = {
    codec.protocol: codec for codec in (JsonCodec, QueryCodec, Ec2Codec, RestJsonCodec, RestXmlCodec, RpcCborCodec)
}


class Codecs:
    """The codecs of all operations."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._compiled: dict[tuple[str, str, str], OperationCodec] = {}
        self._errors: dict[str, ErrorShapes] = {}

    def find(self, service: str, operation: str, protocol: str) -> OperationCodec:
        """The codec of an operation that the service has."""
        key = service, operation, protocol
        found = self._compiled.get(key)
        if found is None:
            # Two threads may compile the same at once: the first to finish wins, and both are right.
            found = self._compiled.setdefault(key, self._compile(*key))
        return found

    def _compile(self, service: str, operation: str, protocol: str) -> OperationCodec:
        errors = self._errors.get(service)
        if errors is None:
            errors = self._errors.setdefault(service, ErrorShapes(self._models.service(service)))
        model: OperationModel = self._models.operation(service, operation)
        kind = S3Codec if service == "s3" else PROTOCOLS[protocol]
        return kind(model, errors)
