"""The names of the files in a run folder, once."""

RECORD, WEIGHTS = "run.json", "weights.safetensors"
HISTORY_LINES, HISTORY_TABLE = "history.jsonl", "history.parquet"  # while it trains, and once it has finished
SUSPECTS = "suspects.parquet"
