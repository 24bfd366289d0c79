"""Objects in memory: data frames, dicts, arrays, sequences."""
