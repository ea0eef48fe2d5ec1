"""`coldframe demo`: trains, deploys and asks a dog-breed model, all on this machine."""


def demo() -> None:
    """Train, deploy and ask a dog-breed model on this machine."""
