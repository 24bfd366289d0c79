"""A row an example: files of tables."""
