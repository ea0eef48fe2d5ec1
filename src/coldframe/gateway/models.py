"""botocore's service models, loaded when first asked for: the one source of shapes, names and limits."""

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel


class Models:
    """The models of every AWS service that botocore knows. A model is read from disk at its first use and then kept."""

    def __init__(self) -> None:
        # Only the models that came with botocore: what lies in someone's ~/.aws/models must not change the server.
        self._loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._services: dict[str, ServiceModel] = {}

    def service(self, name: str) -> ServiceModel:
        """The model of a service, by botocore's name."""
        found = self._services.get(name)
        if found is None:
            description = self._loader.load_service_model(name, "service-2")
            found = self._services.setdefault(name, ServiceModel(description, name))
        return found

    def operation(self, service: str, name: str) -> OperationModel:
        """The model of an operation that the service has."""
        return self.service(service).operation_model(name)

    def protocols(self, service: str) -> tuple[str, ...]:
        """The protocols that a service speaks, the one it likes best first."""
        metadata = self.service(service).metadata
        return tuple(metadata.get("protocols") or [metadata["protocol"]])
