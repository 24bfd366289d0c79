"""Train, validation and test: how rows come into them."""
