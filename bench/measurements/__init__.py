"""One file for each measurement: `async def measure(bench) -> list[Figure]`. They know nothing of one another but `submit_to_start`."""
