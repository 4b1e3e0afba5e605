"""What drivers of clouds share: calls to a provider's REST API, names and facts of machines, values with their age. Used by `drivers/gcp` and its siblings."""
