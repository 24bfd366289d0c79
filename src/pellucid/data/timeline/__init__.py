"""The order of rows in time: the step between them, the place of each, what is missing, the rhythm."""
