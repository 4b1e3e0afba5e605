"""The presentation of each kind of object: columns, details, sentences.

Called by commands with what the client returned. They must never call the server.
"""
