"""One training job from its start to its end, a file for each stage."""
