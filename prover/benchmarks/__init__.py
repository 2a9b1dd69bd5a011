"""How fast exact programs run against their float originals, on this machine."""
