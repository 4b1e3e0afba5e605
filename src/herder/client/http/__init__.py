"""One HTTP call of the client: servers, tries, time."""
