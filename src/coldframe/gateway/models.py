"""botocore's service models, loaded when first asked for: the one source of shapes, names and limits."""


class Models:
    """The models of every AWS service that botocore knows."""
