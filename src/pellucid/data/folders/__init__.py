"""A file an example: folders and archives of images."""
