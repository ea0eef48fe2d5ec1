"""A LitServe server that gives back the document it was sent: `python -m benchmarks.litserve_peer PORT`."""

import sys
from typing import Any

import litserve


class Echo(litserve.LitAPI):
    """A model that does nothing."""

    def setup(self, device: Any) -> None:
        """There is nothing to load."""

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        return request

    def predict(self, x: dict[str, Any]) -> dict[str, Any]:
        return x

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Echo(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
