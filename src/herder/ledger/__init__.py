"""Pure accounting: usage intervals × prices → costs, and their running totals. Knows no clock, no store and no engine.

Amounts are whole pico-USD in plain integers (`model/values/money.py`). What has been booked is never changed.
"""
