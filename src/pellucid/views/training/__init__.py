"""A training seen from inside: its vital signs, and the verdict that follows from them."""
