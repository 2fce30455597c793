"""HOW one trial runs: build it from its spec, train it, store it, measure it. Knows nothing of Ray."""
