"""Requests and answers: routes, verbs, watches and what each kind adds to them. Everything is a function of the store and of `now_ms`."""
