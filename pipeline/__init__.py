"""Cadence: sequence models as cached, reproducible, comparable runs."""
