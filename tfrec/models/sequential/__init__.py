"""Models of sequences that carry a state from one event to the next."""
