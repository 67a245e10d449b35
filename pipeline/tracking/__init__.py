"""MLflow: the memory of every run and the place to compare them. No other room imports it."""
