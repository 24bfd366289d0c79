"""Examples and networks changed for a question, and as they were before."""
