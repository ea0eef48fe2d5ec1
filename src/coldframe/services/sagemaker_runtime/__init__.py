"""Amazon SageMaker Runtime: asking an endpoint."""
