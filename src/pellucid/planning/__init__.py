"""Decides how a data set is learned, each decision with its reason."""
