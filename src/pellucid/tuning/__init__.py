"""What a training finds out by trying: a size, a number of steps, an output layer to start with, weights to keep."""
