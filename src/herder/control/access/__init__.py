"""Access: tokens, sessions, users, and repeated requests.

Asked inside every command and read. It must never grant anything by a default.
"""
