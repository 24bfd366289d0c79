"""Obeys a plan: batches, steps, the learning rate, checkpoints."""
