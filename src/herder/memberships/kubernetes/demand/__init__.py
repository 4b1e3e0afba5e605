"""Pods as demand: what each asks for, and the rules between them."""
