"""What a step reads: examples encoded, put in order, gathered."""
