"""A store full of use, for the measurements of the ledger: attempts in the log of use, and reports that came shuffled, twice and late."""
