"""The kernel: one event loop, one engine state, one writer; the hand-over of changes to the store, and the notifications after it.

Everything else in `control` is built on it. It must never know a use case.
"""
