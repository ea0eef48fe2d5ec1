"""Makes what is so equal to what is wanted, by starting and stopping workers."""
