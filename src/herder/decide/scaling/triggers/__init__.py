"""One file for each thing that can ask for workers. Triggers know nothing of one another."""
