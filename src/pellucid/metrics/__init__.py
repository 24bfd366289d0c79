"""How good answers are: metrics, scores, confidence intervals. NumPy alone."""
