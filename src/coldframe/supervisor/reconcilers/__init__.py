"""One reconciler for each resource that needs processes."""
