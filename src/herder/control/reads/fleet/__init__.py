"""Views of pools, workers, drivers, clusters and bootstraps."""
