"""Whole series, one an example: files of them, wide tables, arrays in memory."""
