"""For tests, ours and other people's: builders, fakes and contract suites. Nothing in production imports it."""
