"""How workers, drivers, clusters and bootstraps are shown."""
