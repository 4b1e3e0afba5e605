"""A job's process on this machine: scratch folder, cgroup, cores, user, limits, and how it ended.

Called by the process runtime. It must never talk to the server.
"""
