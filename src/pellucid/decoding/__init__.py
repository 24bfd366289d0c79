"""From what a network says of each token to a text: sampling, beam search, CTC, where to stop; NumPy alone."""
