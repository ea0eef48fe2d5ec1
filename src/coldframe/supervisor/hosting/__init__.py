"""Endpoints' instances: their model files, their processes, and how many there should be."""
