"""What made what: from any name or hash to the data, trainings, runs, versions and commits that belong to it."""
