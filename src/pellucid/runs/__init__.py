"""A run's life: prepare, train, record, load, use."""
