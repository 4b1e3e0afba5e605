"""Use that is reported from outside: tokens of models, storage, network. Booked once, by day and payer.

Called by `Commands`. It knows no amounts of money.
"""
