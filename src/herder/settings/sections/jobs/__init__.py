"""The sections about jobs: types, intakes, callbacks, object stores, sharing."""
