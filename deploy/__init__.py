"""Putting Refute up: the devnet, deployment to a chain, and the demo."""
