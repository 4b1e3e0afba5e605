"""The imperative shell: one loop per concern, the use cases behind every front door, the clock. Decisions are made elsewhere."""
