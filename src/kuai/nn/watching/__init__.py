"""Looking at a network while it runs: debugging, profiling, names in traces."""
