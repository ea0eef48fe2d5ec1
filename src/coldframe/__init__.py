"""Coldframe runs the SageMaker workflow for real on one's own machine, behind the AWS wire protocols."""

__version__ = "0.1.0"
