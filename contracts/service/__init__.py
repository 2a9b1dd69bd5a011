"""What both agents need to be services: configuration, checks of a setup, and what they keep off the chain."""
