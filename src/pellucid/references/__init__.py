"""A classical model on the same split."""
