"""`herder demo --datacentre`: pods that wait get nodes on virtual machines, which live, fall sick, expire and are removed."""
