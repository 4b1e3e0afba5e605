"""A client of the Talos machine API: talosconfig, connections over Ed25519 mutual TLS, errors as `DriverError`s. Used by `bootstraps/talos`."""
