"""What a training finds out by trying."""
