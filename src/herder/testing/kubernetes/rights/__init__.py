"""Who asks, and what that user may do: tokens, service accounts, impersonation and roles."""
