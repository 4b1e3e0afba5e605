"""The number of workers of each pool: triggers request workers, limits bound them, `combine` adds them up, `scale_down` removes workers."""
