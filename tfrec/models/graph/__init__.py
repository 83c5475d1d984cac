"""Models over a graph: who took what, or what is known of the items."""
