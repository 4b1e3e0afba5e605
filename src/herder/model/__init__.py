"""The data types of Herder: frozen values that all other packages use. Standard library only; no I/O, no clock."""
