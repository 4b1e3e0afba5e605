"""Builders, fakes and contract suites for tests, here and in other packages. Nothing in production imports it."""
