"""Texts in several languages, line by line: files of which line 12 of one says what line 12 of the other does."""
