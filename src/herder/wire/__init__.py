"""Request and response bodies of HTTP as msgspec structs, shared by the API, the client and the agent.

Field names are the JSON names. Times are integer milliseconds since the epoch (`_at_ms`) in the worker protocol and ISO 8601
UTC strings (`_at`) in what people read; money is a decimal string in USD.
"""
