"""Learned run times and what follows from them: remaining work, when a waiting job will start.

Fed and asked by the scheduler. What is learned must never decide whether a job runs, only which order is
better.
"""
