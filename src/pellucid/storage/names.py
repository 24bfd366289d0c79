"""The names of the files in a run folder, once."""

RECORD, WEIGHTS = "run.json", "weights.safetensors"
# Of a comparison, in place of ``run.json``.
COMPARISON = "comparison.json"
# While it trains, and once it has finished.
HISTORY_LINES, HISTORY_TABLE = "history.jsonl", "history.parquet"
# What was seen of some of its steps from inside: while it trains, and once it has finished.
HEALTH_LINES, HEALTH_TABLE = "health.jsonl", "health.parquet"
SUSPECTS = "suspects.parquet"
# The tensors of the network's solved part, and what it says of the rows that the run learns from and is scored on.
SOLVED = "solved.safetensors"
# How often letters follow each other in the transcripts that a run learned from.
LETTERS = "letters.safetensors"
# The folder of the weights after some of its steps.
MOMENTS = "moments"
# Examples of training and of validation, for whoever looks into the run where its data is gone.
KEPT = "kept.safetensors"
