"""Measures what the protocol costs on a chain, and compares it with the committed snapshot."""
