"""What says that more or fewer workers are wanted, besides the queue: schedules, utilisation, pressure, custom metrics, sudden demand.

Asked by triggers and `scale_down`. They must never count workers to make.
"""
