"""What can be saved: recommendations with their confidence, their pilots and results, the return on what was spent, and who explains a change.

Pure, of the standard library. Amounts are whole pico-USD; a saving is an estimate until it has been measured.
"""
