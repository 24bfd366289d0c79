"""What an answer is owed to: places of an example, values hidden or swapped there, gradients, and tests of maps."""
