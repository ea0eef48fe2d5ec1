"""What runs inside a started process. Only the standard library is imported here, and nothing else of ours."""
