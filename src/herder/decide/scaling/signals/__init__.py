"""Measures beyond the queue that change the number of workers: schedules, utilisation, pressure, custom metrics, sudden demand.

Asked by triggers and `scale_down`. They must never count workers to make.
"""
