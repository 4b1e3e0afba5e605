"""Queues outside of Herder from which jobs come, one module for each kind. Each implements `ports/intake.py` and knows nothing else."""
