"""Finds out which service and operation a request is for: by its signature's scope, host, target header and path."""

from botocore.model import ServiceModel

from coldframe.calls import BytesBody, Request, RoutedCall
from coldframe.errors import UnknownOperation
from coldframe.gateway.codecs import Codecs
from coldframe.gateway.errors import (
    InvalidAction,
    MalformedInput,
    MethodNotAllowed,
    MissingAction,
    ServiceNotImplemented,
    UnroutedRequest,
)
from coldframe.gateway.models import Models
from coldframe.gateway.patterns import prepare
from coldframe.gateway.protocols.forms import decode_pairs
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.rest_routes import RestRoutes
from coldframe.gateway.s3_routes import S3Routes
from coldframe.gateway.service_names import (
    FORM_CONTENT_TYPE,
    QUERY_VERSIONS,
    SIGNING_NAMES,
    HostName,
    read_host,
    signing_name_of,
)

MOST_HOSTS_REMEMBERED = 4096
RPC_PATH = "/service/"


class ServiceRoutes:
    """How the operations of one service are found."""

    def __init__(self, model: ServiceModel, protocols: tuple[str, ...]) -> None:
        self.name: str = model.service_name
        self.protocols = protocols
        self.target_prefix: str = model.metadata.get("targetPrefix", "")
        self.operations = frozenset(model.operation_names)
        self.is_form = "query" in protocols or "ec2" in protocols
        self.form_protocol = "ec2" if "ec2" in protocols else "query"
        self.rest_protocol = next((protocol for protocol in protocols if protocol.startswith("rest-")), "")
        self.s3 = S3Routes(model) if self.name == "s3" else None
        self.rest = RestRoutes(model) if self.rest_protocol and self.s3 is None else None


class Router:
    """Routes requests. One for each server; it builds a service's tables at the first call to that service."""

    def __init__(self, models: Models | None = None, form_body_bytes: int = 2 * 1024 * 1024) -> None:
        """Take the models to route by, and the longest form body that is read to find its Action."""
        self._models = models or Models()
        self._codecs = Codecs(self._models)
        self._form_body_bytes = form_body_bytes
        self._services: dict[str, ServiceRoutes] = {}
        self._hosts: dict[str, HostName] = {}

    async def route(self, request: Request) -> RoutedCall:
        """Find the service and operation; nothing of the request is believed or checked but what names them.

        A form body is read to find its Action, and `request.body` then holds it as a BytesBody.

        Raises:
            AwsError: no operation is asked for that AWS has. `unrouted_error` answers it.
        """
        headers = request.headers
        host = self._host(headers.get("host", ""))
        signing_name = signing_name_of(request) or host.signing_name
        if signing_name is None:
            signing_name = await self._unsigned_service(request)
        if signing_name in {"s3", "s3express"}:
            return self._route_s3(request, host)
        names = self._names(signing_name)
        target = headers.get("x-amz-target")
        if target is not None:
            return self._route_target(request, names, target)
        if request.raw_path.startswith(RPC_PATH) and "smithy-protocol" in headers:
            return self._route_rpc(request, names)
        for name in names:
            service = self._service(name)
            if service.rest is not None:
                found = service.rest.find(request.method, request.raw_path, request.query_string, headers)
                if found is not None:
                    return self._routed(request, service, found[0], service.rest_protocol, found[1])
        for name in names:
            if self._service(name).is_form:
                return await self._route_form(request, self._service(name))
        raise UnroutedRequest(method=request.method, path=request.raw_path, service=names[0])

    def warm(self, operations: list[tuple[str, str]]) -> None:
        """Load the models and compile the codecs of these (service, operation) pairs; meant for a background thread."""
        for service, operation in operations:
            routes = self._service(service)
            for protocol in routes.protocols:
                self._codecs.find(service, operation, protocol)
        prepare()

    def _host(self, host: str) -> HostName:
        found = self._hosts.get(host)
        if found is None:
            if len(self._hosts) >= MOST_HOSTS_REMEMBERED:
                self._hosts.clear()  # anyone can make up host names; they must not fill the memory
            found = self._hosts[host] = read_host(host)
        return found

    def _service(self, name: str) -> ServiceRoutes:
        found = self._services.get(name)
        if found is None:
            routes = ServiceRoutes(self._models.service(name), self._models.protocols(name))
            found = self._services.setdefault(name, routes)
        return found

    def _names(self, signing_name: str) -> tuple[str, ...]:
        """The services that a signature's scope can mean. None is loaded before it is needed."""
        names = SIGNING_NAMES.get(signing_name)
        if names is None:
            raise ServiceNotImplemented(service=signing_name)
        return names

    async def _unsigned_service(self, request: Request) -> str:
        """Whose a request is that neither its signature nor its host tells: a form's, by its version; else S3's."""
        if request.headers.get("content-type", "").startswith(FORM_CONTENT_TYPE):
            fields = await self._fields(request)
            service = QUERY_VERSIONS.get(fields.get("Version", ""))
            if service is not None:
                return "monitoring" if service == "cloudwatch" else service
        target = request.headers.get("x-amz-target")
        if target is not None:
            return _TARGETS.get(target.rpartition(".")[0], target)
        if request.method == "POST" and request.raw_path.startswith("/endpoints/"):
            return "sagemaker"  # S3 has no such request: its POSTs have a query string
        return "s3"

    def _route_s3(self, request: Request, host: HostName) -> RoutedCall:
        headers = request.headers
        if request.raw_path.startswith("/v20180820/") and "x-amz-account-id" in headers:
            control = self._service("s3control")
            if control.rest is not None:
                found = control.rest.find(request.method, request.raw_path, request.query_string, headers)
                if found is not None:
                    return self._routed(request, control, found[0], control.rest_protocol, found[1])
        service = self._services.get("s3") or self._service("s3")
        assert service.s3 is not None  # noqa: S101 - that is what makes it S3's
        found = service.s3.find(request.method, request.raw_path, request.query_string, headers, host.bucket)
        if found is None:
            raise MethodNotAllowed(members={"Method": request.method})
        return self._routed(request, service, found[0], "rest-xml", found[1])

    def _route_target(self, request: Request, names: tuple[str, ...], target: str) -> RoutedCall:
        prefix, _, operation = target.rpartition(".")
        for name in names:
            service = self._service(name)
            if service.target_prefix == prefix and "json" in service.protocols:
                if operation not in service.operations:
                    raise UnknownOperation(service=service.name, operation=operation)
                return self._routed(request, service, operation, "json", {})
        raise UnknownOperation(service=names[0], operation=target)

    def _route_rpc(self, request: Request, names: tuple[str, ...]) -> RoutedCall:
        parts = request.raw_path.split("/")
        if len(parts) == 5 and parts[3] == "operation":
            for name in names:
                service = self._service(name)
                if service.target_prefix == parts[2] and "smithy-rpc-v2-cbor" in service.protocols:
                    if parts[4] not in service.operations:
                        raise UnknownOperation(service=service.name, operation=parts[4])
                    return self._routed(request, service, parts[4], "smithy-rpc-v2-cbor", {})
        raise UnroutedRequest(method=request.method, path=request.raw_path, service=names[0])

    async def _route_form(self, request: Request, service: ServiceRoutes) -> RoutedCall:
        operation = (await self._fields(request)).get("Action")
        if operation is None:
            raise MissingAction
        if operation not in service.operations:
            raise InvalidAction(operation=operation, service=service.name)
        return self._routed(request, service, operation, service.form_protocol, {})

    async def _fields(self, request: Request) -> dict[str, str]:
        """The fields of a form, from the query string and the body, which is kept for who reads it next."""
        content = await request.body.read(self._form_body_bytes)
        request.body = BytesBody(content)
        try:
            return dict(decode_pairs(request.query_string) + decode_pairs(content.decode("utf-8")))
        except (WrongValue, UnicodeDecodeError) as error:
            raise MalformedInput(message="The request is not UTF-8") from error

    def _routed(
        self, request: Request, service: ServiceRoutes, operation: str, protocol: str, values: dict[str, str]
    ) -> RoutedCall:
        codec = self._codecs.find(service.name, operation, protocol)
        return RoutedCall(request, service.name, operation, values, codec)


_TARGETS = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "AnyScaleFrontendService": "application-autoscaling",
    "GraniteServiceVersion20100801": "monitoring",
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
}
