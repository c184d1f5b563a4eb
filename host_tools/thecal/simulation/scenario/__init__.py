"""Events files: what happens to a simulated pump, and when."""
