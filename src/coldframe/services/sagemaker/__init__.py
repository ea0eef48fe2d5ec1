"""Amazon SageMaker: training jobs, models and endpoints."""
