"""Values worked out once and kept in a folder."""
