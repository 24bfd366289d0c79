"""Counted n-grams: how often tokens follow each other in a text, and how likely they are to follow."""
