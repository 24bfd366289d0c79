"""A network as the weighted sums that it is: found by their addresses, every product with its numbers."""
