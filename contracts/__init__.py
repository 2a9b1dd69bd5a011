"""The contracts, their compiled artifacts, and everything that talks to a chain."""
