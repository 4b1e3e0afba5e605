"""Object stores and web addresses through obstore: opened, listed and signed, with errors in the store's words.

Used by the agent, which copies the data of jobs, and by the server, which signs for it.
"""
