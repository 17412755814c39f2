"""Parts of the training page: what it will need, the run under way with its curves, the list of runs, comparing."""
