"""A kit for tests of the protocol: chains, a deployed protocol, honest agents and adversaries, as pytest fixtures."""
