"""The nouns of Herder: frozen values that every other package speaks in. Standard library only; no I/O, no clock."""
