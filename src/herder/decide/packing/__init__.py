"""The one packing function of Herder and the tables it works on. Start at `pack.py`."""
