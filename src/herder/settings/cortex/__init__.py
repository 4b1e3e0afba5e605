"""Reads `worker-pools.json` or `cost-tracking.json` of Cortex and writes a herder.yaml from it. Called by `herder config import-cortex`; reads no file itself and changes nothing."""
