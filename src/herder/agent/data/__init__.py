"""Copies inputs and outputs by URL between a job's folder and where they are kept. Used by `attempts`.

`transfers` says what is to be copied and tries again, `downloads` and `uploads` copy, `local` keeps to the folders that jobs may use.
"""
