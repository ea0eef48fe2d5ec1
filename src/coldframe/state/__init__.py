"""What is wanted and what is so: records in a database, bytes in files; survives a restart."""
